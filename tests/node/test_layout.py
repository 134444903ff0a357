"""Names of files and folders."""

from pathlib import Path

from strongroom.node.layout import ClusterLayout


def test_nodes_come_in_numeric_order_and_only_with_a_configuration(tmp_path: Path) -> None:
    for name in ("n10", "n2", "n0", "notes", "n1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "node.toml").touch()
    (tmp_path / "n3").mkdir()
    assert [node.name for node in ClusterLayout(tmp_path).nodes()] == ["n0", "n1", "n2", "n10"]


def test_a_node_knows_the_cluster_around_it(tmp_path: Path) -> None:
    cluster = ClusterLayout(tmp_path)
    assert cluster.node("n3").cluster == cluster
    assert cluster.node("n3").tls_key == tmp_path / "n3" / "tls.key"


def test_no_two_names_are_the_same_file(tmp_path: Path) -> None:
    node = ClusterLayout(tmp_path).node("n0")
    paths = [
        getattr(node, name)
        for name in dir(node)
        if not name.startswith("__") and isinstance(getattr(node, name, None), Path)
    ]
    assert len(set(paths)) == len(paths) > 10


def test_no_other_module_spells_a_name_of_the_table() -> None:
    root = Path(__file__).parents[2] / "node"
    names = (
        '"node.toml"',
        '"service.json"',
        '"genesis.bin"',
        '"run.json"',
        '"host.pid"',
        '"ca.pem"',
        '"tls.key"',
    )
    spelled = [
        f"{path.relative_to(root)}: {name}"
        for path in root.rglob("*.py")
        if path.name != "layout.py"
        for name in names
        if name in path.read_text()
    ]
    assert not spelled
