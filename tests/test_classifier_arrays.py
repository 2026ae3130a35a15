"""The classifier with the arrays that Python users hold: cubes, DataArrays of any form, masked, lazy, tables."""

import pickle

import dask.array
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback
from sklearn.base import clone, is_classifier
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

from hsiattn import SpectralSpatialClassifier, as_scene, open_labels, open_scene
from hsiattn.errors import ArrayError, BandError, GridError, LabelError, RecipeError, SplitError
from hsiattn.mapping import Execution
from hsiattn.splits import RandomPixels, SpatialBlocks

NAMES = np.array(["", "water", "", "", "crop", "", "", "wood"])
"""Texts for the codes 0, 1, 4 and 7 of the tiny scene."""


@pytest.fixture(scope="module")
def scene(tiny):
    return open_scene(tiny.scene).load()


@pytest.fixture(scope="module")
def labels(tiny):
    return open_labels(tiny.labels)


@pytest.fixture(scope="module")
def cube(tiny):
    """Values (H, W, B), nodata -9999 in five pixels."""
    return tiny.spectra.transpose(1, 2, 0)


@pytest.fixture(scope="module")
def table(tiny, cube):
    """Spectra (N, B) and codes (N,) of the labelled pixels with data."""
    some = (tiny.codes > 0) & (cube[..., 0] != tiny.nodata)
    return cube[some], tiny.codes[some]


def _lda(**options):
    return SpectralSpatialClassifier("lda", split=RandomPixels(train_size=20), device="cpu", **options)


@pytest.fixture(scope="module")
def reference(scene, labels):
    """Codes of the map that the scene itself gives."""
    return _lda().fit(scene, labels).predict(scene)["land_cover"].to_numpy()


def test_a_numpy_cube_gives_the_map_of_the_scene(tiny, cube, reference):
    classifier = _lda().fit(cube, tiny.codes, nodata=tiny.nodata)
    predicted = classifier.predict(cube)  # nodata as fit was told
    assert isinstance(predicted, np.ndarray)
    np.testing.assert_array_equal(predicted, reference)
    assert not predicted[0, :5].any()
    shares = classifier.predict_proba(cube)
    assert shares.shape == (*tiny.codes.shape, 3)
    known = predicted > 0
    np.testing.assert_array_equal(classifier.classes_[shares[known].argmax(axis=1)], predicted[known])
    assert classifier.n_features_in_ == 24
    assert classifier.score(cube, tiny.codes) == pytest.approx(np.mean((predicted == tiny.codes)[tiny.codes > 0]))


@pytest.mark.parametrize(
    "form",
    [
        lambda scene: scene.transpose("x", "band", "y"),
        lambda scene: scene.drop_vars(["name", "good"]).swap_dims(band="wavelength").rename(y="northing", x="easting"),
        lambda scene: scene.chunk(band=7, y=16, x=16),
        lambda scene: scene.to_dataset(name="reflectance"),
        lambda scene: np.ma.masked_equal(scene.to_numpy().transpose(1, 2, 0), -9999),
        lambda scene: as_scene(dask.array.from_array(scene.to_numpy().transpose(1, 2, 0)), nodata=-9999),
    ],
    ids=["other order", "other names", "dask", "dataset", "masked", "dask array"],
)
def test_every_form_of_a_scene_gives_the_same_map(scene, labels, form, reference):
    given = form(scene)
    predicted = _lda().fit(given, labels).predict(given)
    predicted = predicted if isinstance(predicted, np.ndarray) else predicted["land_cover"].to_numpy()
    np.testing.assert_array_equal(predicted, reference)


@pytest.mark.parametrize(
    "form",
    [
        lambda labels: labels.to_numpy(),
        lambda labels: labels.to_numpy().tolist(),
        lambda labels: labels.to_numpy()[..., None],
        lambda labels: np.where(labels == 0, np.nan, labels),
        lambda labels: np.ma.masked_equal(labels.to_numpy(), 0),
        lambda labels: labels.rename(y="row", x="col").transpose("col", "row"),
        lambda labels: labels.expand_dims("band"),
        lambda labels: labels.where(labels > 0, 99).assign_attrs(labels.attrs, _FillValue=99),
        lambda labels: labels.to_dataset(name="crop"),
        lambda labels: labels.chunk(y=11),
    ],
    ids=["array", "list", "one band", "nan", "masked", "other dims", "band", "fill value", "dataset", "dask"],
)
def test_every_form_of_labels_gives_the_same_map(scene, labels, form, reference):
    np.testing.assert_array_equal(_lda().fit(scene, form(labels)).predict(scene)["land_cover"], reference)


def test_paths_of_scene_and_labels_will_do(tiny, reference):
    classifier = _lda().fit(tiny.scene, str(tiny.labels))
    np.testing.assert_array_equal(classifier.predict(tiny.scene)["land_cover"], reference)
    assert classifier.score(tiny.scene, tiny.labels) > 0.8
    told = _lda().fit(tiny.scene, tiny.labels, bad_bands=[1, 2])
    assert len(told.model_.used_bands) == 22


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rioxarray's own
def test_tiles_of_a_scene_will_do(tiny, scene, tmp_path, write_scene, reference):
    tiles = []
    for number, columns in enumerate((slice(0, 16), slice(16, 48))):
        part = scene.isel(x=columns)
        tiles.append(
            write_scene(
                tmp_path / f"{number}.tif", part.to_numpy(), crs=tiny.crs, transform=part.rio.transform(recalc=True),
                nodata=tiny.nodata,
            )
        )  # fmt: skip
    predicted = _lda().fit(tiles, tiny.labels).predict(tiles)
    np.testing.assert_array_equal(predicted["land_cover"], reference)


def test_texts_are_classes(tiny, cube, reference):
    classifier = _lda().fit(cube, NAMES[tiny.codes], nodata=tiny.nodata)
    assert classifier.classes_.tolist() == ["crop", "water", "wood"]
    assert classifier.class_table_.names == ("crop", "water", "wood")
    predicted = classifier.predict(cube)
    assert set(np.unique(predicted)) == {"", "crop", "water", "wood"}
    assert np.mean(predicted == NAMES[reference]) > 0.99  # other codes, other draw of training pixels
    assert classifier.score(cube, NAMES[tiny.codes]) == pytest.approx(
        np.mean((predicted == NAMES[tiny.codes])[tiny.codes > 0])
    )
    assert classifier.score(cube, np.where(tiny.codes > 0, "moss", "")) == 0
    objects = np.where(tiny.codes > 0, NAMES[tiny.codes].astype(object), None)
    assert _lda().fit(cube, objects, nodata=tiny.nodata).classes_.tolist() == ["crop", "water", "wood"]


def test_the_polygons_of_labels_are_the_groups(scene, labels):
    ids = np.indices(labels.shape)[0] // 4 + 1
    polygons = labels.assign_coords(group=(("y", "x"), ids))
    by_coordinate, by_argument = (
        SpectralSpatialClassifier("lda", split="polygons", device="cpu").fit(scene, *given, groups=groups)
        for given, groups in (((polygons,), None), ((labels,), ids))
    )
    np.testing.assert_array_equal(by_coordinate.split_.roles, by_argument.split_.roles)
    assert not set(ids[by_coordinate.split_.mask("training")]) & set(ids[by_coordinate.split_.mask("test")])


def test_a_lazy_scene_is_computed_window_by_window_and_never_as_a_whole(scene, labels, tmp_path, reference):
    at_once = []

    class Chunks(Callback):
        """Counts the chunks of every computation."""

        def _start(self, dsk):
            at_once.append(sum("watched" in str(key) for key in dsk))

    lazy = dask.array.tile(dask.array.from_array(scene.to_numpy(), chunks=(24, 20, 16)), (1, 10, 10))
    lazy = lazy.map_blocks(lambda block: block, name="watched", meta=np.empty((0, 0, 0), np.float32))
    wide = as_scene(xr.DataArray(lazy, dims=("wavelength", "row", "col")), nodata=-9999)
    codes = np.zeros(wide.shape[1:], int)
    codes[:40, :48] = labels
    assert lazy.numblocks == (1, 20, 30)
    with Chunks():
        classifier = _lda().fit(wide, codes)
    assert 0 < max(at_once) <= 64  # windows of 128 × 128 pixels
    at_once.clear()
    with Chunks():
        classifier.write_land_cover(wide, tmp_path / "m.tif", execution=Execution(window_size=64, device="cpu"))
    assert 0 < max(at_once) <= 30  # 64 × 64 pixels, of 20 × 16 each
    assert sum(at_once) < 4 * 600
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif")[40:80, 48:96], reference)


def test_a_table_of_pixels_trains_and_is_predicted_row_by_row(table):
    spectra, codes = table
    classifier = SpectralSpatialClassifier("lda", device="cpu").fit(spectra, codes)
    predicted = classifier.predict(spectra)
    assert predicted.shape == codes.shape
    own = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(spectra, codes).predict(spectra)
    assert np.mean(predicted == own) > 0.99
    shares = classifier.predict_proba(spectra)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(classifier.classes_[shares.argmax(axis=1)], predicted)
    assert classifier.score(spectra, codes) == np.mean(predicted == codes)
    assert classifier.report_ is None
    assert not classifier.split_.mask("test").any()


def test_a_table_and_the_image_of_the_same_pixels_give_the_same_classes(tiny, table, cube):
    spectra, codes = table
    classifier = SpectralSpatialClassifier("lda", split="none", device="cpu").fit(spectra, codes)
    image = classifier.predict(as_scene(cube, nodata=tiny.nodata), force=True)["land_cover"].to_numpy()
    some = (tiny.codes > 0) & (cube[..., 0] != tiny.nodata)
    np.testing.assert_array_equal(image[some], classifier.predict(spectra))
    many = np.repeat(spectra, 3, axis=0)  # more rows than one line of the raster that holds them
    np.testing.assert_array_equal(classifier.predict(many), np.repeat(classifier.predict(spectra), 3))


@pytest.mark.parametrize("values", [[0, 1, 2], [-1, 0, 1], ["b", "a", "c"], [10**12, 1, 2], [True, False, False]])
def test_rows_may_be_of_any_classes(table, values):
    spectra, codes = table
    labels = np.array(values)[np.searchsorted([1, 4, 7], codes)]
    classifier = SpectralSpatialClassifier("lda", device="cpu").fit(spectra, labels)
    np.testing.assert_array_equal(classifier.classes_, np.unique(labels))
    predicted = classifier.predict(spectra)
    assert predicted.dtype == labels.dtype
    assert np.mean(predicted == labels) > 0.9


def test_rows_can_be_held_out_at_random_by_groups_or_by_roles(table):
    spectra, codes = table

    def fitted(split, **options):
        return SpectralSpatialClassifier("lda", split=split, device="cpu").fit(spectra, codes, **options)

    at_random = fitted("random")
    assert at_random.split_.record["pixels"]["training"] == 30
    assert "polygon" not in str(at_random.report_)
    groups = np.array([f"field {number}" for number in np.arange(len(codes)) % 40])
    by_groups = fitted("polygons", groups=groups)
    assert "40 polygons" in str(fitted("random", groups=groups).report_) or by_groups.report_ is not None
    raster = np.zeros(by_groups.split_.roles.size, int)
    raster[: len(codes)] = np.unique(groups, return_inverse=True)[1] + 1
    roles = by_groups.split_.roles.ravel()
    assert not set(raster[roles == 1]) & set(raster[roles == 3])
    given = np.where(np.arange(len(codes)) % 2, 1, 3)
    assert fitted(given).report_.test_pixels == np.count_nonzero(given == 3)
    for split in (SpatialBlocks(), "polygons", "nonsense"):
        with pytest.raises(SplitError, match="rows of a table cannot be divided"):
            fitted(split)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (np.where(X > 300, np.nan, X), y), "contains NaN"),
        (lambda X, y: (np.ma.masked_greater(X, 300), y), "contains NaN"),
        (lambda X, y: (X.astype(complex), y), "Complex data"),
        (lambda X, y: (X[:, :0], y), "0 feature"),
        (lambda X, y: (X, np.ones(len(y))), "one class, 1"),
        (lambda X, y: (X, y + 0.5), "Unknown label type"),
        (lambda X, y: (X, None), "requires y"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_error(table, change, match):
    with pytest.raises(ArrayError, match=match) as caught:
        SpectralSpatialClassifier("lda").fit(*change(*table))
    assert "\n" not in str(caught.value)


def test_tables_of_another_width_are_refused(table):
    classifier = SpectralSpatialClassifier("lda", device="cpu").fit(*table)
    with pytest.raises(ArrayError, match="expecting 24 features"):
        classifier.predict(table[0][:, :10])


def test_recipes_that_look_at_neighbours_refuse_tables_and_name_those_that_do_not(table, scene, labels):
    means = SpectralSpatialClassifier("lda-means", split="none", device="cpu").fit(scene, labels)
    for call in (lambda: SpectralSpatialClassifier().fit(*table), lambda: means.predict(table[0])):
        with pytest.raises(RecipeError, match=r"neighbours.*lda, random-forest, svm$"):
            call()


def test_tables_go_through_scikit_learns_tools(table):
    classifier = SpectralSpatialClassifier("lda", device="cpu")
    assert is_classifier(classifier)
    assert cross_val_score(classifier, *table, cv=StratifiedKFold(3)).min() > 0.9
    search = GridSearchCV(classifier, {"recipe": ["lda", "random-forest"]}, cv=2).fit(*table)
    assert set(search.cv_results_["param_recipe"]) == {"lda", "random-forest"}
    pipeline = make_pipeline(FunctionTransformer(np.log1p), classifier).fit(table[0] + 100, table[1])
    assert pipeline.score(table[0] + 100, table[1]) > 0.9


def test_a_fitted_classifier_can_be_pickled(tiny, cube):
    classifier = _lda().fit(cube, NAMES[tiny.codes], nodata=tiny.nodata)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(cube), classifier.predict(cube))
    assert repr(clone(again).get_params()) == repr(classifier.get_params())


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (lambda X, y: (np.moveaxis(X, -1, 0), y), GridError, r"24 × 40 pixels and 48 bands.*40 × 48; put the bands"),
        (lambda X, y: (X, y.T), GridError, "48 × 40; transpose"),
        (lambda X, y: (X, y.ravel()), GridError, r"1920; reshape the labels, as in labels\.reshape\(40, 48\)"),
        (lambda X, y: (X, y[:9]), GridError, "9 × 48; give one label per pixel"),
        (lambda X, y: (X, [[1], [1, 2]]), ArrayError, "different lengths"),
        (lambda X, y: (X, y + 0.5), LabelError, "value 1.5, which is no code"),
        (lambda X, y: (X, y.astype(int) - 1), LabelError, "code -1; number the classes from 1"),
        (lambda X, y: (X, y * 0), LabelError, "no pixel is labelled"),
        (lambda X, y: (X, np.full(y.shape, "")), LabelError, "no pixel is labelled"),
        (lambda X, y: (X, np.where(y > 4, "a", y.astype(object))), LabelError, "the int .* among texts"),
        (lambda X, y: (X, y.astype(complex)), LabelError, "type complex128"),
        (lambda X, y: (X[..., 0, None, None], y), ArrayError, "three axes"),
        (lambda X, y: (X.astype(str), y), ArrayError, "holds text"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_go_together_are_one_clear_error(cube, tiny, given, error, match):
    with pytest.raises(error, match=match) as caught:
        _lda().fit(*given(cube, tiny.codes))
    assert "\n" not in str(caught.value)


def test_bands_of_another_cube_are_refused_with_both_numbers(cube, tiny):
    classifier = _lda().fit(cube, tiny.codes, nodata=tiny.nodata)
    with pytest.raises(BandError, match=r"24 .*20|20 .*24"):
        classifier.predict(cube[..., :20])


def test_wavelengths_that_fit_was_told_match_the_bands_of_a_later_scene(cube, tiny, scene):
    wavelengths = 450 + 20 * np.arange(24)
    classifier = _lda().fit(cube[..., ::-1], tiny.codes, nodata=tiny.nodata, wavelengths=wavelengths[::-1])
    by_wavelength = classifier.predict(scene)["land_cover"].to_numpy()
    np.testing.assert_array_equal(by_wavelength, classifier.predict(cube[..., ::-1]))


def test_bad_bands_are_left_out(cube, tiny):
    spoilt = cube.copy()
    spoilt[..., 3] = np.random.default_rng(0).normal(0, 1e6, spoilt.shape[:2])
    classifier = _lda().fit(spoilt, tiny.codes, nodata=tiny.nodata, bad_bands=[4])
    assert any("1 of 24 bands are marked bad and are left out: 4" in message for message in classifier.messages_)


EXPECTED_FAILURES = {
    "check_dtype_object": "values that are no numbers are an ArrayError, a ValueError with a way out, not a TypeError",
}


def test_scikit_learns_own_checks_pass_on_tables():
    classifier = SpectralSpatialClassifier("lda", device="cpu")
    results = {}
    for estimator, check in estimator_checks_generator(classifier):
        name = getattr(check, "func", check).__name__
        try:
            check(estimator)
        except Exception as error:
            if type(error).__name__ != "SkipTest":
                results[name] = repr(error)
    assert set(results) == set(EXPECTED_FAILURES), results


def test_xarray_objects_come_back_as_xarray_objects(scene, labels):
    classifier = _lda().fit(scene, labels)
    assert isinstance(classifier.predict(scene), xr.Dataset)
    assert classifier.predict_proba(scene).dims == ("class", "y", "x")
