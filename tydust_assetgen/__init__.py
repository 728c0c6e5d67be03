"""assetgen: a game's music, built like code.

The door for programs. Everything is loaded when it is first used, so importing this package costs nothing:

    from tydust_assetgen import Options, Project, build

    report = build(Project.at("game"), Options(jobs=2), emit=print)
    for result in report.results:
        print(result.slot, result.status)

`build` makes what is missing or stale; `check` says which slots are not fresh; `plan` says what a build would do;
`watch` builds again whenever something changes.
"""

from __future__ import annotations

from tydust_assetgen.version import VERSION as __version__  # noqa: N811

TYPE_CHECKING = False  # type checkers know this name; the module `typing` takes longer than a build with nothing to do
if TYPE_CHECKING:
    from tydust_assetgen.building.build import build as build
    from tydust_assetgen.building.report import Options as Options
    from tydust_assetgen.building.report import Report as Report
    from tydust_assetgen.building.report import Result as Result
    from tydust_assetgen.errors import AssetgenError as AssetgenError
    from tydust_assetgen.errors import ManifestError as ManifestError
    from tydust_assetgen.operations.query import check as check
    from tydust_assetgen.operations.query import plan as plan
    from tydust_assetgen.operations.takes import pick as pick
    from tydust_assetgen.operations.takes import takes_of as takes_of
    from tydust_assetgen.planning.plan import Plan as Plan
    from tydust_assetgen.planning.plan import Step as Step
    from tydust_assetgen.project.project import Project as Project
    from tydust_assetgen.watching import watch as watch

_HOMES = {
    "AssetgenError": "errors",
    "ManifestError": "errors",
    "Options": "building.report",
    "Plan": "planning.plan",
    "Project": "project.project",
    "Report": "building.report",
    "Result": "building.report",
    "Step": "planning.plan",
    "build": "building.build",
    "check": "operations.query",
    "pick": "operations.takes",
    "plan": "operations.query",
    "takes_of": "operations.takes",
    "watch": "watching",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `tydust_assetgen` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(f"tydust_assetgen.{_HOMES[name]}"), name)
