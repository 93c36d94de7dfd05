"""The catalogue of reasons: each is a code with amounts, and is put into words only when its text is asked for.

A module has one subject. Of a cluster: `gang`, with `no_fit`, `never_fits` and `node_pools` as causes; `eligibility`;
`scores`. Of a new copy: `choice`, `hold`, `quota`, `ray_clusters`. Of a group: `copies`, `changes`, `transitions`,
`tenancy`. A reason that was read back from a file is `written.Written`. To add a reason:

1. Add a sample to `tests/golden/messages/samples.py`; the test there fails for a reason without one.
2. Add a class of `Reason` with `frozen=True` to the module of its subject, or a module for a new subject: `code`, the
   amounts as fields, the sentence in `_words`, and `waiting_helps = False` if only an edit by a person can help.
   Nothing registers it.
3. Run `SKYRAY_UPDATE_GOLDEN=1 pytest tests/golden/messages` and read the diff: sentences are reviewed in that file.

Other tests ask for `reason.code` and for amounts, or compare reasons: they are equal if all their amounts are.
"""
