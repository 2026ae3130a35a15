"""K-fold accuracy: folds as scikit-learn makes them, figures pooled and spread by hand, no polygon divided."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

import hsiattn
from hsiattn.assessment.cross_validation import Spread
from hsiattn.errors import LabelError, SplitError
from hsiattn.splits import FoldsSplit, PolygonKFold, RandomPixels, SpatialBlocks, SpatialKFold, connected_fields
from hsiattn.training import load_recipe


@pytest.fixture(scope="module")
def scene(tiny):
    return hsiattn.open_scene(tiny.scene).load()


@pytest.fixture(scope="module")
def labels(tiny):
    return hsiattn.open_labels(tiny.labels)


@pytest.fixture(scope="module")
def fields(labels):
    return connected_fields(labels.to_numpy())


@pytest.fixture(scope="module")
def by_blocks(scene, labels):
    return hsiattn.cross_validate(scene, labels, 4, recipe="lda")


def test_each_labelled_pixel_with_data_is_tested_once(by_blocks, tiny):
    with_data = (tiny.codes > 0) & (tiny.spectra[0] != tiny.nodata)
    assert by_blocks.pooled.test_pixels == by_blocks.labelled_pixels == np.count_nonzero(with_data)
    assert len(by_blocks.folds) == 4
    assert by_blocks.splitter["method"] == "SpatialKFold"


def test_folds_are_what_an_own_loop_with_the_same_splitter_gives(by_blocks, tiny):
    with_data = (tiny.codes > 0) & (tiny.spectra[0] != tiny.nodata)
    X, y, positions = tiny.spectra[:, with_data].T, tiny.codes[with_data], np.argwhere(with_data)
    for fold, (training, test) in zip(
        by_blocks.folds, SpatialKFold(4, buffer=0).split(X, y, groups=positions), strict=True
    ):
        own = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X[training], y[training])
        assert (fold.training_pixels, fold.report.test_pixels) == (len(training), len(test))
        assert fold.report.overall_accuracy.value == pytest.approx(own.score(X[test], y[test]), abs=0.01)


def test_figures_are_pooled_and_spread_over_the_folds(by_blocks):
    matrices = [fold.report.confusion for fold in by_blocks.folds]
    np.testing.assert_array_equal(by_blocks.pooled.confusion, sum(matrices))
    shares = np.array([np.trace(matrix) / matrix.sum() for matrix in matrices])
    spread = by_blocks.spread["overall_accuracy"]
    assert (spread.mean, spread.sd, spread.folds) == (
        pytest.approx(shares.mean()),
        pytest.approx(shares.std(ddof=1)),
        4,
    )
    reach = stats.t(3).ppf(0.975) * shares.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)  # four folds: tested / others = 1 / 3
    assert spread.lower == pytest.approx(shares.mean() - reach)
    assert spread.upper == pytest.approx(min(1, shares.mean() + reach))
    first = [matrix[0, 0] / matrix[0].sum() for matrix in matrices]
    assert by_blocks.class_spread["class 1"].mean == pytest.approx(np.mean(first))


def test_known_polygons_make_the_folds_and_the_intervals(scene, labels, fields):
    given = hsiattn.cross_validate(scene, labels, 3, recipe="lda", groups=fields)
    of_labels = hsiattn.cross_validate(scene, labels.assign_coords(group=(("y", "x"), fields)), 3, recipe="lda")
    assert given.splitter["method"] == "PolygonKFold"
    assert given.pooled.groups is not None
    assert given.to_dict() == of_labels.to_dict()
    tested = [set(np.unique(fold.report.groups.ids).tolist()) for fold in given.folds]
    assert not tested[0] & tested[1]
    assert set.union(*tested) == set(np.unique(fields[fields > 0]).tolist())
    assert len(set.union(*tested)) == given.pooled.group_intervals.polygons
    assert "go by those over folds" not in str(given)


@pytest.mark.parametrize(
    "folds",
    [SpatialKFold(3, buffer=1), RandomPixels(2, train_size=0.5), StratifiedKFold(2)],
    ids=lambda folds: type(folds).__name__,
)
def test_no_splitter_trains_on_a_polygon_that_it_tests(scene, labels, fields, folds, monkeypatch):
    from hsiattn.training import cross_validation

    splits = []

    def watched(*arguments, **options):
        result = fit_model(*arguments, **options)
        splits.append(result.split)
        return result

    fit_model = cross_validation.fit_model
    monkeypatch.setattr(cross_validation, "fit_model", watched)
    whole = np.indices(labels.shape)[0] // 2 + 1 + 100 * (np.indices(labels.shape)[1] // 2)
    hsiattn.cross_validate(scene, labels, folds, recipe="lda", groups=whole)
    assert len(splits) >= 2
    for split in splits:
        assert not set(whole[split.mask("training")]) & set(whole[split.mask("test")])


def test_splitters_of_scikit_learn_get_the_polygons(scene, labels, fields):
    result = hsiattn.cross_validate(scene, labels, StratifiedGroupKFold(3), recipe="lda", groups=fields)
    assert len(result.folds) == 3
    assert "StratifiedGroupKFold" in str(result)


def test_leakage_is_told_by_fold(scene, labels):
    result = hsiattn.cross_validate(scene, labels, SpatialBlocks(2, buffer=0, block_size=6), recipe="lda-means")
    leaks = [fold.report.leakage for fold in result.folds]
    assert all(0 < leak < 1 for leak in leaks)
    assert min(leaks) <= result.pooled.leakage <= max(leaks)
    assert hsiattn.cross_validate(scene, labels, 2, recipe="lda-means").pooled.leakage == 0


def test_arrays_texts_and_paths_will_do(tiny, by_blocks):
    cube = hsiattn.as_scene(tiny.spectra.transpose(1, 2, 0), nodata=tiny.nodata)
    names = np.array(["", "a", "", "", "b", "", "", "c"])[tiny.codes]
    by_name = hsiattn.cross_validate(cube, names, 4, recipe="lda")
    np.testing.assert_array_equal(by_name.pooled.confusion, by_blocks.pooled.confusion)
    assert by_name.pooled.classes.names == ("a", "b", "c")
    by_path = hsiattn.cross_validate(tiny.scene, tiny.labels, 4, recipe="lda")
    assert by_path.to_dict() == by_blocks.to_dict()


def test_the_result_prints_and_is_json_and_html(by_blocks):
    told = json.loads(by_blocks.to_json())
    assert [fold["test_pixels"] for fold in told["folds"]] == [fold.report.test_pixels for fold in by_blocks.folds]
    assert told["overall_accuracy"]["mean"] == pytest.approx(by_blocks.spread["overall_accuracy"].mean)
    assert told["pooled"]["confusion_matrix"] == by_blocks.pooled.confusion.tolist()
    text = str(by_blocks)
    assert "Mean ± standard deviation over 4 folds" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "Nadeau" in by_blocks.to_html()
    assert "4 folds, recipe lda" in repr(by_blocks)


def test_a_single_or_undefined_fold_has_no_spread():
    one = Spread.of(np.array([0.5, np.nan]), 0.25)
    assert (one.mean, one.folds, one.in_words()) == (0.5, 1, "50.0")
    assert one.to_dict()["sd"] is None
    assert Spread.of(np.array([np.nan]), 0.25).in_words() == "–"


def test_progress_is_told(scene, labels):
    told = []
    hsiattn.cross_validate(scene, labels, 2, recipe="lda", progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("folds", "change", "error", "match"),
    [
        (1, {}, SplitError, "1 folds"),
        ("five", {}, SplitError, "'five' divides nothing"),
        (2, {"groups": "one"}, SplitError, "single polygon"),
        (2, {"labels": "none"}, LabelError, "no pixel is labelled"),
    ],
)
def test_what_cannot_be_divided_is_one_clear_error(scene, labels, folds, change, error, match):
    groups = np.where(labels == 4, 1, 1 + np.arange(labels.size).reshape(labels.shape)) if "groups" in change else None
    given = labels * 0 if "labels" in change else labels
    with pytest.raises(error, match=match):
        hsiattn.cross_validate(scene, given, folds, recipe="lda", groups=groups)


def test_polygon_folds_take_part_in_the_record(scene, labels, fields):
    result = hsiattn.cross_validate(scene, labels, PolygonKFold(2, groups=fields), recipe="lda")
    assert result.to_dict()["splitter"]["groups"]["number"] == len(np.unique(fields[fields > 0]))


# -- a model of all labels, with the accuracy of folds -----------------------------------------------------------------


def test_split_folds_gives_the_accuracy_of_the_folds_and_a_model_of_all_labels(scene, labels, by_blocks):
    classifier = hsiattn.SpectralSpatialClassifier("lda", split=FoldsSplit(folds=4)).fit(scene, labels)
    whole = hsiattn.SpectralSpatialClassifier("lda", split="none").fit(scene, labels)
    np.testing.assert_array_equal(classifier.report_.confusion, by_blocks.pooled.confusion)
    assert classifier.report_.folds == by_blocks.folds_record
    xr.testing.assert_identical(classifier.predict(scene).drop_attrs(), whole.predict(scene).drop_attrs())
    record = classifier.split_.record
    assert record["pixels"]["training"] == by_blocks.labelled_pixels
    assert (record["pixels"]["test"], record["folds"]["number"], record["folds"]["leakage"]) == (0, 4, 0.0)
    assert classifier.model_.accuracy["overall_accuracy"]["value"] == by_blocks.pooled.overall_accuracy.value


def test_polygons_make_the_folds_where_they_are_known(scene, labels, fields):
    classifier = hsiattn.SpectralSpatialClassifier("lda", split="folds").fit(scene, labels, groups=fields)
    pooled = hsiattn.cross_validate(scene, labels, 5, recipe="lda", groups=fields).pooled
    np.testing.assert_array_equal(classifier.report_.confusion, pooled.confusion)
    assert classifier.split_.record["folds"]["method"] == "PolygonKFold"
    with pytest.raises(SplitError, match=r"^buffer has no effect on folds of whole polygons; leave out buffer=$"):
        hsiattn.SpectralSpatialClassifier("lda", split=FoldsSplit(buffer=2)).fit(scene, labels, groups=fields)


def test_confidence_of_all_folds_is_calibrated_together(by_blocks):
    parts = [fold.report.calibration for fold in by_blocks.folds]
    pooled = by_blocks.pooled.calibration
    assert pooled.pixels == by_blocks.pooled.test_pixels
    right = sum(part.accuracy * part.pixels for part in parts) / pooled.pixels
    assert pooled.accuracy == pytest.approx(right) == pytest.approx(by_blocks.pooled.overall_accuracy.value)
    assert pooled.mean_confidence == pytest.approx(
        sum(part.mean_confidence * part.pixels for part in parts) / pooled.pixels
    )


def test_a_report_keeps_its_folds(by_blocks):
    again = hsiattn.AccuracyReport.from_dict(json.loads(by_blocks.pooled.to_json()))
    assert again.folds == json.loads(json.dumps(by_blocks.folds_record))


def test_an_interrupted_test_by_folds_goes_on(scene, labels, tmp_path):
    """The epoch that is interrupted is in the second fold; what was done before it is not done again."""
    quick = ["training.method=early-stopping", "training.max_epochs=3", "training.max_per_class=8"]
    recipe = load_recipe("default", quick)
    heard = []

    def interrupt(figures):
        heard.append((figures.stage, figures.epoch))
        if figures.stage == "fold 2 of 2" and figures.epoch == 2:
            raise KeyboardInterrupt

    folds = SpatialKFold(2, buffer=2)
    with pytest.raises(KeyboardInterrupt):
        hsiattn.SpectralSpatialClassifier(recipe, split=folds).fit(
            scene, labels, listener=interrupt, checkpoints=tmp_path / "state"
        )
    again = []
    resumed = hsiattn.SpectralSpatialClassifier(recipe, split=folds).fit(
        scene, labels, checkpoints=tmp_path / "state", resume=True,
        listener=lambda figures: again.append((figures.stage, figures.epoch)),
    )  # fmt: skip
    at_once = hsiattn.SpectralSpatialClassifier(recipe, split=folds).fit(scene, labels)
    np.testing.assert_array_equal(resumed.report_.confusion, at_once.report_.confusion)
    assert ("fold 1 of 2", 1) in heard
    assert ("fold 1 of 2", 1) not in again
    assert ("", 3) in again
