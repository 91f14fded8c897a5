"""MaskCon + attributes: every similarity and temperature against the naive loop, its ends, ties, and wrong inputs."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from harness import config, methods
from harness.errors import UsageError
from harness.methods import ContrastiveInputs

from . import naive
from .builders import FEW, TEMPERATURES, WEIGHTS, as_dtype, close, loss, random_inputs, rows, with_lonely_row, with_own

METHOD = "maskcon_attributes"
SIMILARITIES = ("cosine", "hamming", "euclidean")
SHARES = (0.0, 0.3, 0.5, 1.0)
CASE = pytest.mark.parametrize("inputs", FEW.values(), ids=FEW)
every_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


def relations(inputs: ContrastiveInputs, weight: float = 1.0, temperature: float = 0.1, **options) -> torch.Tensor:
    """Z, the sample itself first. (N, 1+P)"""
    itself, bank = methods.load(METHOD).relations(inputs, weight=weight, temperature=temperature, **options)
    return torch.cat([itself[:, None], bank], dim=1)


def alone(similarity: str = "cosine", temperature: float = 0.1) -> dict:
    """Options by which attributes alone decide."""
    return {"attribute_weight": 1.0, "attribute_similarity": similarity, "attribute_temperature": temperature}


def with_binary_attributes(inputs: ContrastiveInputs, count: int = 9) -> ContrastiveInputs:
    """Attributes of 0 and 1, a zero vector in the batch and in the bank, and many ties."""
    drawn = torch.Generator().manual_seed(5)
    batch, bank = (torch.randint(2, (len(x), count), generator=drawn) for x in (inputs.query, inputs.bank))
    batch[-1], bank[-1] = 0, 0
    return dataclasses.replace(inputs, attributes=batch.to(inputs.key.dtype), bank_attributes=bank.to(inputs.key.dtype))


def with_attributes(inputs: ContrastiveInputs, batch, bank) -> ContrastiveInputs:
    attributes, bank_attributes = (torch.tensor(x, dtype=inputs.key.dtype) for x in (batch, bank))
    return dataclasses.replace(inputs, attributes=attributes, bank_attributes=bank_attributes)


def one_class(bank_size: int, samples: int = 1) -> ContrastiveInputs:
    return random_inputs(60, samples=samples, bank_size=bank_size, classes=1)


LOOPED = {
    "real": random_inputs(50),
    "real, own keys": with_own(random_inputs(51)),
    "no entry of a row's class": with_lonely_row(with_own(random_inputs(52))),
    "binary": with_binary_attributes(random_inputs(53)),
    "binary, own keys": with_binary_attributes(with_own(random_inputs(54))),
    "one class": with_binary_attributes(random_inputs(55, classes=1)),
    "one bank entry": random_inputs(56, bank_size=1),
}


@every_similarity
@pytest.mark.parametrize("case", LOOPED)
def test_relations_equal_the_naive_loop_at_every_setting(case, similarity):
    inputs, samples = LOOPED[case], rows(LOOPED[case])
    # the loop has no tolerance for ties, of which binary attributes have many: zero has tests of its own
    sharpest = (1e-4, 0.05) if "real" in case else (0.05,)
    for weight, temperature, share, sharpness in itertools.product(
        (0.5, 1.0), (0.0, 1e-4, 0.1, math.inf), SHARES, (*sharpest, 1.0, math.inf)
    ):
        options = {"attribute_weight": share, "attribute_similarity": similarity, "attribute_temperature": sharpness}
        settings = naive.Settings(weight, temperature, 0.1, **options)
        expected = [naive.RELATIONS[METHOD](row, settings) for row in samples]
        found = relations(inputs, weight, temperature, **options)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@every_similarity
def test_zero_attribute_temperature_equals_the_naive_loop_without_ties(similarity):
    inputs = with_own(random_inputs(57, bank_size=40))
    for share in (0.3, 1.0):
        options = {"attribute_weight": share, "attribute_similarity": similarity, "attribute_temperature": 0.0}
        settings = naive.Settings(0.8, 0.1, 0.1, **options)
        expected = [naive.RELATIONS[METHOD](row, settings) for row in rows(inputs)]
        close(relations(inputs, 0.8, 0.1, **options), torch.tensor(expected, dtype=torch.float64))


@CASE
@every_similarity
def test_no_attribute_weight_is_maskcon_bit_for_bit(inputs, similarity):
    without = dataclasses.replace(inputs, attributes=None, bank_attributes=None)
    for weight, temperature in itertools.product(WEIGHTS, TEMPERATURES):
        options = {"attribute_weight": 0.0, "attribute_similarity": similarity}
        expected = loss("maskcon", inputs, weight, temperature)
        assert torch.equal(loss(METHOD, inputs, weight, temperature, **options), expected)
        assert torch.equal(loss(METHOD, without, weight, temperature, **options), expected)


@CASE
@every_similarity
def test_full_attribute_weight_looks_at_no_feature(inputs, similarity):
    others = random_inputs(99, *inputs.key.shape[:1], *inputs.bank.shape)
    other_features = dataclasses.replace(inputs, key=others.key.to(inputs.key), bank=others.bank.to(inputs.bank))
    expected = relations(inputs, **alone(similarity))
    assert torch.equal(relations(other_features, temperature=0.7, **alone(similarity)), expected)


@CASE
def test_everything_infinite_is_grafit_bit_for_bit(inputs):
    for weight, share in itertools.product(WEIGHTS, (0.0, 0.5, 1.0)):
        options = {"attribute_weight": share, "attribute_temperature": math.inf}
        assert torch.equal(loss(METHOD, inputs, weight, math.inf, **options), loss("grafit", inputs, weight))
    assert torch.equal(loss(METHOD, inputs, 1.0, 0.1, **alone(temperature=math.inf)), loss("supcon", inputs))


def test_equal_attributes_leave_the_nearest_by_feature_the_nearest():
    """A uniform p_attribute only adds to every entry alike."""
    inputs = random_inputs(58, classes=1)
    same = dataclasses.replace(inputs, attributes=0 * inputs.attributes, bank_attributes=0 * inputs.bank_attributes)
    p = torch.softmax(inputs.key @ inputs.bank.T / 0.1, dim=1)
    mixed = 0.6 * p + 0.4 / len(inputs.bank)
    scaled = mixed / mixed.amax(dim=1, keepdim=True)
    found = relations(same, attribute_weight=0.4)
    close(found[:, 1:], scaled / (1 + scaled.sum(dim=1, keepdim=True)))


def test_similarities_by_hand():
    inputs = with_attributes(one_class(4), [[1, 1, 0, 0]], [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    expected = {
        "cosine": [1, 1 / math.sqrt(2), 0, 0],
        "hamming": [1, 0.75, 0, 0.5],
        "euclidean": [1, 0.5, 0, 1 - math.sqrt(0.5)],
    }
    for kind, values in expected.items():
        found = methods.load(METHOD).similarities(inputs.attributes, inputs.bank_attributes, kind)
        close(found, torch.tensor([values], dtype=torch.float64))


def test_nothing_is_similar_to_attributes_of_zeros():
    inputs = with_attributes(one_class(3), [[0, 0]], [[0, 0], [1, 0], [1, 1]])
    close(relations(inputs, **alone("cosine")), torch.full((1, 4), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("copies", [1, 2, 7, 100])
@every_similarity
def test_equal_attributes_tie_wherever_they_lie_in_a_full_bank(similarity, copies, dtype):
    """312 attributes: the nearest ones share the relation at zero temperature, and hold all of it at a tiny one."""
    for bank_size in (8192, 1003):
        inputs = with_binary_attributes(random_inputs(61, samples=4, bank_size=bank_size, classes=1), count=312)
        places = torch.linspace(0, bank_size - 1, copies).round().long()
        bank_attributes = inputs.bank_attributes.clone()
        bank_attributes[places] = inputs.attributes[0]
        inputs = as_dtype(dataclasses.replace(inputs, bank_attributes=bank_attributes), dtype)
        for temperature in (0.0, 1e-4):
            found = relations(inputs, **alone(similarity, temperature))
            assert found.dtype == dtype
            assert found[0, 0].item() == pytest.approx(1 / (1 + copies), rel=1e-5)
            assert found[0, 1:][places].tolist() == pytest.approx([1 / (1 + copies)] * copies, rel=1e-3)


@pytest.mark.parametrize("similarity", ["hamming", "euclidean"])
def test_equal_real_attributes_have_a_similarity_of_exactly_one(similarity):
    drawn = torch.rand(128, 312, generator=torch.Generator().manual_seed(0))
    found = methods.load(METHOD).similarities(drawn[:64], drawn, similarity)
    assert (found.diagonal() == 1).all()
    assert (found == 1).sum() == 64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_cosines_of_different_attributes_tie(dtype):
    """s of the sample's 36 ones among the s² ones of an entry are a cosine of 1/6, for every s."""
    shared = (1, 2, 3, 4, 5)
    bank = [[1] * s + [0] * (36 - s) + [1] * (s * s - s) + [0] * (64 - s * s + s) for s in shared]
    inputs = with_attributes(one_class(6), [[1] * 36 + [0] * 64], [*bank, [0] * 99 + [1]])
    found = relations(as_dtype(inputs, dtype), **alone("cosine", 0.0))
    torch.testing.assert_close(found, torch.tensor([[1 / 6] * 6 + [0]], dtype=dtype))


@every_similarity
def test_small_attribute_temperatures_approach_zero_and_large_ones_infinity(similarity):
    inputs = random_inputs(62, samples=8, bank_size=12)
    for end, sequence in ((0.0, (0.01, 1e-3, 1e-4, 1e-7)), (math.inf, (1.0, 10.0, 1e3, 1e9))):
        exact = relations(inputs, **alone(similarity, end))
        gaps = [(relations(inputs, **alone(similarity, t)) - exact).abs().max().item() for t in sequence]
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[0] > 0.01
        assert gaps[-1] < 1e-8


@every_similarity
def test_extreme_temperatures_stay_finite_in_single_precision(similarity):
    inputs = as_dtype(with_own(with_lonely_row(random_inputs(63, samples=8, bank_size=300))), torch.float32)
    for temperature, sharpness in itertools.product((0.0, 1e-4, math.inf), repeat=2):
        options = {"attribute_similarity": similarity, "attribute_temperature": sharpness}
        found = relations(inputs, temperature=temperature, **options)
        assert found.isfinite().all()
        torch.testing.assert_close(found.sum(dim=1), torch.ones(8))


@every_similarity
def test_order_of_the_bank_does_not_matter_to_its_relations(similarity):
    for inputs in (with_own(random_inputs(64)), with_binary_attributes(with_own(random_inputs(64)))):
        order = torch.randperm(len(inputs.bank), generator=torch.Generator().manual_seed(1))
        names = ("bank", "bank_labels", "bank_attributes")
        entries = {name: getattr(inputs, name)[order] for name in names}
        permuted = dataclasses.replace(inputs, own=inputs.own[:, order], **entries)
        for sharpness in (0.0, 0.1):
            options = {"attribute_similarity": similarity, "attribute_temperature": sharpness}
            close(relations(permuted, **options)[:, 1:], relations(inputs, **options)[:, 1:][:, order])


def test_bank_attributes_of_other_entries_are_another_loss():
    """What the alignment of bank and attributes is for."""
    inputs = random_inputs(65)
    shifted = dataclasses.replace(inputs, bank_attributes=inputs.bank_attributes.roll(1, 0))
    assert not torch.allclose(loss(METHOD, shifted), loss(METHOD, inputs))


def test_no_gradient_passes_through_attributes():
    inputs = random_inputs(66)
    attributes, others = (x.clone().requires_grad_() for x in (inputs.attributes, inputs.bank_attributes))
    query = inputs.query.clone().requires_grad_()
    tracked = dataclasses.replace(inputs, query=query, attributes=attributes, bank_attributes=others)
    loss(METHOD, tracked).sum().backward()
    assert query.grad.any()
    assert attributes.grad is None
    assert others.grad is None


@pytest.mark.parametrize("missing", [["attributes"], ["bank_attributes"], ["attributes", "bank_attributes"]])
def test_missing_attributes_are_an_error_that_names_the_setting(missing):
    inputs = dataclasses.replace(random_inputs(67), **dict.fromkeys(missing))
    with pytest.raises(ValueError, match="folder with --set attribute_file=FILE"):
        loss(METHOD, inputs)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("attribute_weight", 1.5, "a number from 0 to 1"),
        ("attribute_similarity", "jaccard", "one of cosine, hamming, euclidean"),
        ("attribute_temperature", -1, "a number of at least 0"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(name, value, says):
    with pytest.raises(UsageError, match=says):
        config.resolve("cifar100", METHOD, overrides={name: value})


def test_an_infinite_attribute_temperature_survives_json():
    trial = config.resolve("cifar100", METHOD, overrides={"attribute_temperature": "inf", "attribute_weight": "0.25"})
    assert trial.options == {"attribute_temperature": math.inf, "attribute_weight": 0.25}
    assert config.from_dict(trial.to_dict()) == trial
    assert trial.canonical() == trial
