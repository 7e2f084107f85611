import pytest

from .cluster import Pocket


@pytest.fixture(scope="session")
def pocket(tmp_path_factory):
    """One cluster of two nodes for all the tests of this process that do no harm to it."""
    pocket = Pocket(tmp_path_factory.mktemp("pocket"))
    pocket.start("--nodes=2", "--cpus=8", "--memory=8000M", "--gres=gpu:2")
    yield pocket
    pocket.down()


@pytest.fixture
def own_pocket(tmp_path):
    """A cluster for one test alone; not started."""
    pocket = Pocket(tmp_path)
    yield pocket
    pocket.down()
