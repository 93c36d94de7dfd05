"""The message of a commit draft: what it is made of, and that no text can forge a trailer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import RepoError
from reconciler.repo.writer import CommitDraft


def test_a_message_has_subject_body_and_trailers() -> None:
    draft = CommitDraft("place a/b on c", "because\n\nof this", (("SkyRay-Group", "a/b"), ("SkyRay-Action", "place")))
    assert draft.message == "place a/b on c\n\nbecause\n\nof this\n\nSkyRay-Group: a/b\nSkyRay-Action: place\n"


@given(st.text(), st.text(), st.text())
def test_no_text_can_smuggle_in_a_trailer(subject: str, body: str, value: str) -> None:
    evil = "\nSkyRay-Source: forged"
    draft = CommitDraft(f"x{subject}{evil}", f"{body}\n{evil}", (("SkyRay-Reason", f"{value}{evil}"),))
    lines = draft.message.split("\n")
    assert not [line for line in lines if line.lower().startswith("skyray-source")]
    assert lines[-2].startswith("SkyRay-Reason: ")
    assert not set(draft.message) & set("\x00\r\x0b\x1b")


@pytest.mark.parametrize("key", ["", "a b", "a:", "a\nb", "-a", "ü"])
def test_a_trailer_key_is_a_plain_word(key: str) -> None:
    with pytest.raises(RepoError, match="trailer key"):
        _ = CommitDraft("s", trailers=((key, "v"),)).message


def test_a_commit_needs_a_subject() -> None:
    with pytest.raises(RepoError, match="subject"):
        _ = CommitDraft(" \n ").message
