"""Pruning while training: units that matter least go, until the network costs what it may cost.

After Shen, Li, Zhao, Zhang and Zhou 2020 (dynamic channel propagation, arXiv 2007.01486) and Qi, Shen, Li, Zhao and Liu
2021 (a targeted compression rate, EURASIP JASP 31), whose formulas for the target were not at hand. Taken as published:
utilities of first order, which awake units lose and gain and sleeping ones keep; one threshold over all sets; units
that come back; no fine-tuning afterwards. Ours: what is pruned (also hidden units, attention features, groups of bands
and components), the target on cost, ranking by utility over saving, and a step that is one of the smaller network.

- `hsiattn.networks.units` says what a network can do without and what it then costs.
- `utility` measures how much units matter, `choice` finds which ones stay, `latency` turns a target of time into one of
  multiply-adds, `module` trains, `fitting` takes the smaller network out.
"""
