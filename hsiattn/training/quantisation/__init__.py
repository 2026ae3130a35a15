"""Training for int8: in later steps the network computes on rounded weights and inputs.

After Jacob et al. 2018 (quantisation and training of networks for integer arithmetic, arXiv 1712.05877), with gradients
that pass the rounding (Bengio, Léonard and Courville 2013, arXiv 1308.3432). Ours: ranges of inputs are those of the
batch, so that nothing but the weights has to be kept; states of a recurrent layer stay as they are between its steps.

- `hsiattn.core.int8_rounding` rounds, `module` says in which steps, `fitting` trains and records it.
"""
