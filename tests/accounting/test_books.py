"""Associations, QOS and who coordinates what: pure changes of the books."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.accounting import assoc_changes, cluster_changes, limits, qos_changes, user_changes
from slurmpy.accounting.books import Books
from slurmpy.core.errors import SlurmError

NOW = 1_800_000_000


def books() -> Books:
    found = Books.fresh(NOW)
    cluster_changes.register(found, "ref", {"tres": "cpu=4,mem=100,node=1,gres/gpu=2"}, "root", NOW)
    found.settle()
    return found


def add_account(found: Books, name: str, parent: str = "root", **own: Any) -> None:
    assoc_changes.add_accounts(found, {"names": (name,), "parent": parent, "limits": own}, "root", NOW)


def add_user(found: Books, name: str, *accounts: str, **own: Any) -> None:
    user_changes.add_users(found, {"names": (name,), "accounts": accounts, "limits": own}, "root", NOW)


def test_a_cluster_begins_with_root() -> None:
    found = books()
    root = found.assoc("ref", "root")
    assert root is not None
    assert found.qos_names(root) == ("normal",)
    assert found.default_account("root", "ref") == "root"
    assert found.tres_ids["gres/gpu"] == 1001


def test_limits_and_qos_are_handed_down() -> None:
    found = books()
    qos_changes.add_qos(found, {"names": ("high", "low"), "set": {"priority": 10}}, "root", NOW)
    add_account(found, "physics", max_jobs=5, max_tres_per_job="cpu=4,node=2", qos=("+", ("high",)))
    add_account(found, "phys_a", "physics", max_tres_per_job="cpu=2")
    add_user(found, "bob", "phys_a", max_jobs=7)
    bob = found.assoc("ref", "phys_a", "bob")
    assert bob is not None
    real = found.effective(bob)
    assert real.max_jobs == 7
    assert real.max_tres_per_job == "cpu=2,node=2"
    assert real.qos == ("normal", "high")
    assert real.lineage == "/physics/phys_a/0-bob/"
    assert found.effective(found.assoc("ref", "phys_a")).max_jobs == 5  # type: ignore[arg-type]
    qos_changes.delete_qos(found, {"where": {"names": ("high",)}}, "root", NOW)
    assert found.qos_names(bob) == ("normal",)


def test_a_fork_leaves_the_books_alone_until_it_takes_their_place() -> None:
    found = books()
    fork = found.fork()
    add_account(fork, "chem")
    add_user(fork, "anna", "chem")
    assert "chem" not in found.accounts
    assert found.assocs_of_user("anna") == []
    assert not found.changed
    assert set(fork.touched) == {"accounts", "associations", "users"}
    message = fork.update("ref")
    assert message is not None
    assert {wire.get("user", "") for wire in message["changed"]["associations"]} == {"", "anna"}
    assert fork.update("other") is not None, "users are everybody's"


def test_what_an_account_hands_down_is_announced_for_all_below() -> None:
    found = books()
    add_account(found, "chem")
    add_user(found, "anna", "chem")
    found.settle()
    fork = found.fork()
    assoc_changes.modify_accounts(fork, {"where": {"names": ("chem",)}, "limits": {"max_jobs": 3}}, "root", NOW)
    message = fork.update("ref")
    assert message is not None
    assert len(message["changed"]["associations"]) == 2


def test_the_last_default_account_is_not_removed_alone() -> None:
    found = books()
    for name in ("chem", "physics"):
        add_account(found, name)
    add_user(found, "anna", "chem", "physics")
    with pytest.raises(SlurmError) as caught:
        user_changes.delete_users(found, {"where": {"names": ("anna",), "accounts": ("chem",)}}, "root", NOW)
    assert caught.value.name == "ESLURM_NO_REMOVE_DEFAULT_ACCOUNT"
    assert caught.value.data["assocs"] == (("ref", "chem", "", "anna", ""),)
    with pytest.raises(SlurmError):
        assoc_changes.delete_accounts(found, {"where": {"names": ("chem",)}}, "root", NOW)
    gone = user_changes.delete_users(found, {"where": {"names": ("anna",)}}, "root", NOW)
    assert gone["users"] == ("anna",)
    assert "anna" not in found.users


def test_an_account_does_not_go_below_itself() -> None:
    found = books()
    add_account(found, "a")
    add_account(found, "b", "a")
    with pytest.raises(SlurmError):
        assoc_changes.modify_accounts(found, {"where": {"names": ("a",)}, "set": {"parent": "a"}}, "root", NOW)
    assoc_changes.modify_accounts(found, {"where": {"names": ("b",)}, "set": {"parent": "root"}}, "root", NOW)
    assert found.below[("ref", "a")] == ()


def test_an_account_that_goes_below_one_of_its_own_lets_it_come_up_first() -> None:
    found = books()
    for name, parent in (("a", "root"), ("b", "a"), ("c", "b")):
        add_account(found, name, parent)
    assoc_changes.modify_accounts(found, {"where": {"names": ("a",)}, "set": {"parent": "b"}}, "root", NOW)
    assert [(one.account, one.parent_account) for one in found.associations.values() if one.account in "abc"] == [
        ("a", "b"),
        ("b", "root"),
        ("c", "b"),
    ]


def test_users_are_told_by_cluster_account_and_name() -> None:
    found = books()
    add_account(found, "a")
    add_account(found, "b")
    args = {"names": ("u2", "u1"), "accounts": ("b", "nosuch", "a"), "default_account": "a", "wckeys": ("w",)}
    result = user_changes.add_users(found, args, "root", NOW)
    assert result["text"].splitlines() == [
        " Adding User(s)", "  u2", "  u1", " Settings", "  Default Account = a", " Associations =",
        "  C = ref        A = b                    U = u2       ",
        "  C = ref        A = b                    U = u1       ",
        "No account nosuch on cluster ref, skipping.",
        "  C = ref        A = a                    U = u2       ",
        "  C = ref        A = a                    U = u1       ",
        " Wckey(s)", "  C = ref        W = w          U = u2       ",
        "  C = ref        W = w          U = u1       ",
    ]  # fmt: skip
    assert found.default_account("u1", "ref") == "a"
    again = user_changes.add_users(found, {"names": ("u1",), "accounts": ("a",)}, "root", NOW)
    assert not again["added"]
    assert again["text"].startswith("Request didn't affect anything\nNothing added.\n")


def test_coordinators_have_what_is_below() -> None:
    found = books()
    add_account(found, "a")
    add_account(found, "b", "a")
    add_user(found, "carol", "a")
    user_changes.add_coordinators(found, {"accounts": ("a",), "users": ("carol",)}, "root", NOW)
    assert found.coordinates("carol") == {"a": True, "b": False}


def test_a_qos_cannot_preempt_itself_by_way_of_others() -> None:
    found = books()
    qos_changes.add_qos(found, {"names": ("a",)}, "root", NOW)
    qos_changes.add_qos(found, {"names": ("b",), "set": {"preempt": ("=", ("a",))}}, "root", NOW)
    with pytest.raises(SlurmError):
        qos_changes.modify_qos(found, {"where": {"names": ("a",)}, "set": {"preempt": ("=", ("b",))}}, "root", NOW)


@pytest.mark.parametrize("name", ["", "a" * 256, "a\nb", "a'b", 'a"b', "a,b", "a/b", "x|y", "a\\b", "\x1b[0m"])
def test_names_that_would_break_lists_are_refused(name: str) -> None:
    with pytest.raises(SlurmError):
        add_account(books(), name)


@pytest.mark.parametrize("own", [{"max_jobs": "x"}, {"grp_tres": "nosuch=1"}, {"default_qos": "nosuch"}, {"id": 7}])
def test_limits_that_cannot_be_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises((SlurmError, ValueError)):
        add_account(books(), "chem", **own)


@given(st.lists(st.tuples(st.sampled_from("+-="), st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)), max_size=6))
def test_qos_lists_follow_set_arithmetic(changes: list[tuple[str, list[str]]]) -> None:
    found = books()
    qos_changes.add_qos(found, {"names": ("a", "b", "c")}, "root", NOW)
    add_account(found, "chem")
    expected = {"normal"}
    for sign, names in changes:
        if sign == "=":
            expected = set(names) or {"normal"}
        elif sign == "+":
            expected |= set(names)
        else:
            expected -= set(names)
            if not expected:
                # an empty list of one's own is the parent's: not what is told here
                return
        where = {"names": ("chem",)}
        own = {"qos": (sign, tuple(dict.fromkeys(names)))}
        assoc_changes.modify_accounts(found, {"where": where, "limits": own}, "root", NOW)
        chem = found.assoc("ref", "chem")
        assert chem is not None
        assert set(found.qos_names(chem)) == expected


def test_tres_limits_change_one_by_one() -> None:
    assert limits.merged_tres("cpu=4,mem=100", "cpu=-1,node=2") == "mem=100,node=2"


def test_accounts_and_users_can_be_without_associations() -> None:
    found = books()
    assoc_changes.add_accounts(found, {"names": ("bare",), "bare": True, "description": "d"}, "root", NOW)
    assert (found.accounts["bare"].description, found.accounts["bare"].organization) == ("d", "")
    assert found.assoc("ref", "bare") is None
    assert assoc_changes.delete_accounts(found, {"where": {"names": ("bare",)}}, "root", NOW)["accounts"] == ("bare",)
    assert "bare" not in found.accounts
    add_account(found, "chem")
    user_changes.add_users(found, {"names": ("eve",), "accounts": ("chem",), "no_default": True}, "root", NOW)
    assert found.default_account("eve", "ref") == ""
    gone = user_changes.delete_users(found, {"where": {"names": ("eve",)}, "only_associations": True}, "root", NOW)
    assert (gone["users"], len(gone["assocs"]), "eve" in found.users) == ((), 1, True)
    assert user_changes.delete_users(found, {"where": {"names": ("eve",)}}, "root", NOW)["users"] == ("eve",)
    gone = assoc_changes.delete_accounts(found, {"where": {"names": ("chem",)}, "only_associations": True}, "root", NOW)
    assert (gone["accounts"], "chem" in found.accounts) == ((), True)


def test_conditions_of_lists_choose() -> None:
    from types import SimpleNamespace

    from slurmpy.accounting import reading

    found = books()
    add_account(found, "a")
    add_user(found, "anna", "a")
    qos_changes.add_qos(found, {"names": ("slow",), "set": {"preempt_mode": "REQUEUE"}}, "root", NOW)
    resource = {"names": ("matlab", "ansys"), "server": "flex", "set": {"count": 5, "server_type": "flexlm"}}
    qos_changes.add_resources(found, resource, "root", NOW)
    qos_changes.modify_clusters(found, {"where": {}, "set": {"classification": "Capacity"}}, "root", NOW)
    everything = SimpleNamespace(may_see_assoc=lambda *_: True, may_see_user=lambda *_: True)
    service = SimpleNamespace(books=found, permissions=everything)

    def count(what: str, **where: object) -> int:
        return len(list(reading._LISTS[what](service, None, where)))

    assert (count("qos", preempt_modes=("requeue",)), count("qos", preempt_modes=("cancel",))) == (1, 0)
    assert (count("resources", server_types=("flexlm",)), count("resources", server_types=("other",))) == (2, 0)
    assert (count("resources", ids=(1,)), count("resources", descriptions=("ansys",))) == (1, 1)
    assert (count("clusters", classifications=("capacity",)), count("clusters", classifications=("x",))) == (1, 0)
    assert (count("clusters", rpc_versions=(1,)), count("accounts", flags=("UsersAreCoords",))) == (0, 0)
    assert (count("users", default_wckeys=("w",)), count("users", default_accounts=("a",))) == (0, 1)


def test_the_first_wckey_of_a_request_becomes_the_default() -> None:
    found = books()
    add_account(found, "chem")
    add_user(found, "bob", "chem")

    def add(*keys: str, **more: str) -> str:
        user_changes.add_users(found, {"names": ("bob",), "wckeys": keys, **more}, "root", NOW)
        return found.default_wckey("bob", "ref")

    assert add("a", "b") == "a"
    assert add("c", "d") == "c"
    assert add("e", "f", default_wckey="f") == "f"
    assert add("c") == "f"  # which was there
    assert [key.name for key in found.wckeys_of_user("bob") if key.is_default] == ["f"]
    user_changes.delete_users(found, {"where": {"wckeys": ("f",)}}, "root", NOW)
    assert found.default_wckey("bob", "ref") == ""
