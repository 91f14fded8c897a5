"""What a sweep's file declares of its comparison before the runs: margin, claims, validation sweep, who is no candidate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import config, errors
from harness.errors import UsageError


def of_file(path: Path, content: dict[str, Any], sweeps: Sequence[str]) -> dict[str, Any]:
    """What a sweep's file declares, validated, as fields of a SweepSpec; `sweeps` are those that a name can mean."""
    margin, claims = content.get("margin"), content.get("claims", [])
    if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < 100):
        raise UsageError(f"{path}: margin={margin!r} must be a number of points between 0 and 100, for example 1.0.")
    trained = list(dict.fromkeys(entry.get("method") for entry in content["cells"]))
    for claim in claims if isinstance(claims, list) else [claims]:
        if not (isinstance(claim, list) and len(claim) == 2 and claim[0] != claim[1]):
            raise UsageError(f'{path}: claims hold pairs of methods, such as ["maskcon", "grafit"]; got {claim!r}.')
        for method in claim:
            if method not in trained:
                raise errors.unknown(f"method in the claims of {path.name}", str(method), trained)
    pairs = [frozenset(claim) for claim in claims]
    if len(set(pairs)) < len(pairs):
        raise UsageError(f"{path}: two of its claims are of the same two methods; each pair is tested once.")
    validation = content.get("validation")
    if validation is not None and not isinstance(validation, str):
        raise UsageError(f"{path}: validation={validation!r} must be the name of a sweep.")
    if isinstance(validation, str) and validation.endswith(".toml"):
        validation = str(path.resolve().parent / validation)
        if not Path(validation).is_file():
            raise UsageError(f"{path}: validation={content['validation']!r}: there is no such file beside this one.")
    elif validation is not None and validation not in sweeps:
        raise errors.unknown(f"validation sweep in {path.name}", validation, sweeps)
    return {
        "margin": margin,
        "claims": tuple((better, than) for better, than in claims),
        "validation": validation,
        "not_candidates": _not_candidates(path, content.get("not_candidates", {}), trained),
    }


def _not_candidates(path: Path, stated: Any, trained: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    known, found = config.known_settings(), {}
    for method, values in (stated if isinstance(stated, dict) else {str(stated): {}}).items():
        if method not in trained:
            raise errors.unknown(f"method in not_candidates of {path.name}", method, trained)
        if not isinstance(values, dict) or not set(values) <= set(known):
            raise UsageError(f"{path}: not_candidates.{method} maps settings to values, such as {{weight = [0]}}.")
        found[method] = {
            name: [known[name].check(name, one) for one in listed(value)] for name, value in values.items()
        }
    return found


def listed(value: Any) -> list[Any]:
    """An axis as a list: a list as it is, one value, or "0,0.5,1" from the command line."""
    if isinstance(value, str) and "," in value:
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, list) else [value]
