"""Every sentence that SkyRay gives as a reason, worded with sample amounts, in `messages.txt`.

To accept a wanted change: `SKYRAY_UPDATE_GOLDEN=1 pytest tests/golden/messages`, then review the diff as text.
"""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import pytest

from reconciler.reasons.reason import Reason
from tests.golden.messages.catalogue import kinds
from tests.golden.messages.samples import SAMPLES

GOLDEN = Path(__file__).parent / "messages.txt"


def worded() -> str:
    lines = ["Rewritten by SKYRAY_UPDATE_GOLDEN=1; each sentence follows its code, * where waiting cannot help."]
    for kind, samples in groupby(SAMPLES, key=type):
        lines += ["", f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"]
        for reason in samples:
            mark = "" if reason.waiting_helps else "*"
            lines.append(f"  {reason.code}{mark}: {reason.text}")
    return "\n".join(lines) + "\n"


def test_the_sentences_are_those_that_were_reviewed() -> None:
    if os.environ.get("SKYRAY_UPDATE_GOLDEN"):
        GOLDEN.write_text(worded())
    assert worded() == GOLDEN.read_text()


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_each_kind_of_reason_has_a_sample(kind: type[Reason]) -> None:
    assert kind in {type(reason) for reason in SAMPLES}


@pytest.mark.parametrize("reason", SAMPLES, ids=lambda reason: type(reason).__name__)
def test_a_reason_is_a_clause_of_one_line_and_a_value(reason: Reason) -> None:
    assert reason.code.isalnum()
    assert reason.code[0].isupper()
    assert reason.text == " ".join(reason.text.split())
    assert not reason.text.endswith(".")
    assert hash(reason) == hash(type(reason)(**reason.amounts))
    assert reason == type(reason)(**reason.amounts)
