import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hsiattn.networks import GroupedSSAN
from hsiattn.networks.branches import group_bands
from hsiattn.preprocessing import PreprocessingSettings, fit_preprocessing


def test_bands_are_grouped_in_order_and_the_last_group_is_filled_with_zeros():
    grouped = group_bands(torch.arange(1.0, 8.0)[None], 3)
    assert grouped.tolist() == [[[1, 2, 3], [4, 5, 6], [7, 0, 0]]]


def test_its_warm_start_on_uniform_patches_is_linear_discriminant_analysis():
    """In a patch of one spectrum, context and pixel agree, and the start must be scikit-learn's classifier."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 15)
    mixing = rng.normal(size=(12, 12))
    spectra = (rng.normal(size=(3, 12))[targets] + 0.8 * rng.normal(size=(45, 12))) @ mixing
    preprocessing, _ = fit_preprocessing(PreprocessingSettings(discriminant=True), np.arange(12), spectra, targets)
    valid = np.ones((1, 45), dtype=bool)
    scaled, scores = preprocessing.transform(spectra.T[:, None, :], valid)
    patches = torch.from_numpy(scores[:, 0].T.copy())[:, :, None, None].expand(-1, -1, 5, 5)
    inputs = torch.from_numpy(scaled[:, 0].T.copy()), patches, torch.ones(45, 5, 5, dtype=torch.bool)
    network = GroupedSSAN(12, 2, 3, 5).eval()
    network.warm_start(*inputs, torch.from_numpy(targets))
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(3, 1 / 3))
    standardised = (spectra - spectra.mean(axis=0)) / spectra.std(axis=0, ddof=1)
    reference.fit(standardised, targets)
    expected = reference.predict_proba(standardised)
    np.testing.assert_allclose(torch.softmax(network(*inputs), dim=1).detach().numpy(), expected, atol=2e-3)
