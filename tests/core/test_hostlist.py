import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core import hostlist


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n[1-3,5],m[08-10],x", ["n1", "n2", "n3", "n5", "m08", "m09", "m10", "x"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-2]-ib", ["n1-ib", "n2-ib"]),
        ("n[1-03]", ["n1", "n2", "n3"]),
        ("n[099-101]", ["n099", "n100", "n101"]),
        (" n1 , n2", ["n1", "n2"]),
        ("[1-3]", ["1", "2", "3"]),
        ("n[4294967295-4294967296]", ["n4294967295", "n4294967296"]),
        ("n,,m", ["n", "m"]),
        ("", []),
        ("n1]", ["n1]"]),
    ],
)
def test_expand(text, names):
    assert hostlist.expand(text) == names
    assert hostlist.count(text) == len(names)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("n[2-1]", "_parse_single_range: Invalid range: `2-1'"),
        ("n[a-b]", "_parse_single_range: Invalid range: `a-b'"),
        ("n[]", "_parse_single_range: Invalid range: `'"),
        ("n[1,]", "_parse_single_range: Invalid range: `'"),
        ("n[1-2-3]", "_parse_single_range: Invalid range: `1-2-3'"),
        ("n[1-70000]", "_parse_single_range: Too many hosts in range `1-70000'"),
        ("n[1-", None),
    ],
)
def test_bad_lists_say_what_slurm_says(text, detail):
    with pytest.raises(hostlist.HostlistError) as caught:
        hostlist.expand(text)
    assert caught.value.message == f"Invalid hostlist: {text}"
    assert caught.value.detail == detail


@pytest.mark.parametrize(
    ("names", "in_order", "in_sequence"),
    [
        ("n10,n9,n8", "n[10,9,8]", "n[8-10]"),
        ("n01,n1,n2,n02", "n[01,1-2,02]", "n[1-2,01-02]"),
        ("n099,n100", "n[099-100]", "n[099-100]"),
        ("n098,n99", "n[098,99]", "n[99,098]"),
        ("n1,n2,n2,n1", "n[1-2,2,1]", "n[1,1-2,2]"),
        ("n1,n2,x,n3", "n[1-2],x,n3", "n[1-3],x"),
        ("n,n1", "n,n1", "n,n1"),
        ("n1-ib,n2-ib", "n1-ib,n2-ib", "n1-ib,n2-ib"),
        ("n3,n1,n2,a1,n3", "n[3,1-2],a1,n3", "a1,n[1-3,3]"),
    ],
)
def test_compress(names, in_order, in_sequence):
    assert hostlist.compress_keep_order(names.split(",")) == in_order
    assert hostlist.compress(names.split(",")) == in_sequence


NAMES = st.lists(st.builds(lambda a, b: a + b, st.sampled_from(["n", "m0", "r1c"]), st.from_regex(r"\A[0-9]{0,3}\Z")))


@given(NAMES)
def test_what_is_compressed_expands_to_the_same(names):
    assert hostlist.expand(hostlist.compress_keep_order(names)) == names
    assert sorted(hostlist.expand(hostlist.compress(names))) == sorted(names)


@pytest.mark.parametrize("text", ["n[" + ",".join(["1-65536"] * 5000) + "]", ",".join(["n[1-65536]"] * 5000)])
def test_more_hosts_than_fit_are_refused(text: str) -> None:
    with pytest.raises(hostlist.HostlistError):
        hostlist.expand(text)
