"""Every table of every version: records with any values go out and come back, and all three ways out agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.core.records.base import INFINITE, Record
from slurmpy.data_parser import json_text, registry, yaml_text
from slurmpy.data_parser.slurmdb_accounts import Limit
from slurmpy.data_parser.tables import Table
from slurmpy.data_parser.types import Boolean, Integer, Number, OptionalNumber, SetNumber, String

TABLES = [
    (version, name)
    for version in registry.VERSIONS
    for name, type in registry.get(version).types.items()
    # of the older versions what differs most
    if (version in (registry.DEFAULT, "v0.0.38") or name in ("job_info", "job_desc_msg", "qos", "assoc", "job"))
    and name != "job_properties"  # options, not values: see test_flat
    and isinstance(type, Table)
    and isinstance(type.record, type.__class__.__class__)
    and issubclass(type.record, Record)
]


def _values(type: Any) -> Any:
    if isinstance(type, String):
        return st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
    if isinstance(type, Boolean):
        return st.booleans()
    if isinstance(type, SetNumber):
        return st.integers(0, 2**31)
    if isinstance(type, OptionalNumber):
        number = st.floats(0, 1e9) if type.real else st.integers(0, 2**31)
        edges = st.none() if isinstance(type, Limit) else st.sampled_from([None, INFINITE])
        return st.one_of(number, edges)
    if isinstance(type, Integer):
        return st.integers(0, 2**31 - 1)
    if isinstance(type, Number):
        return st.floats(0, 1e9)
    return None


@pytest.mark.parametrize(("version", "name"), TABLES)
def test_a_record_of_any_values_comes_back(version: str, name: str) -> None:
    plugin = registry.get(version)
    table = plugin.types[name]
    assert isinstance(table, Table)
    plain = {f.attr: _values(f.type) for f in table.fields if f.attr and f.get is None and f.put is None}
    chosen = {attr: values for attr, values in plain.items() if values is not None}
    chosen.pop("current_working_directory", None)  # what stands before relative paths must be an absolute one
    assert chosen

    @given(st.fixed_dictionaries({}, optional=chosen))
    @settings(max_examples=6, deadline=None)
    def check(values: dict[str, Any]) -> None:
        record = table.record(**values)
        document = plugin.dump(name, record)
        back = plugin.parse(name, document)
        for attr in chosen:
            ours, theirs = getattr(back, attr), getattr(record, attr)
            assert ours == theirs or (ours, theirs) == (0, None), attr  # plain numbers cannot say «not known»
        assert plugin.encode(name, record).decode() == json_text.write(document, 4)
        assert plugin.encode_yaml(name, record).decode() == "-" + yaml_text.write(document, 0, 1)
        assert plugin.dump(name, back) == document

    check()
