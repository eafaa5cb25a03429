"""What `dvc.yaml` asks of `params.yaml`: DVC refuses a file that lacks one of the keys, though it has a default."""

from support.project_imports import ROOT

from pipeline.core.config import read_yaml


def test_stages_depend_on_whole_sections_of_params() -> None:
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    wanted = [each for stage in stages.values() for each in stage.get("do", stage).get("params", [])]
    assert "ensemble" in wanted
    assert {each for each in wanted if isinstance(each, str) and "." in each} <= {"prepare.drop_broken"}
