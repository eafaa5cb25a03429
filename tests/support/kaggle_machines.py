"""The part of the stand-in for Kaggle that rents machines: quota, data sets, notebooks that run, their output.

A test sets `on_push`, which is called with the pushed notebook and the bundle that it may read, and returns the status
that the notebook ends with and the files it leaves.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Run = tuple[str, dict[str, bytes]]


@dataclass
class KaggleMachines:
    """What Kaggle's machines do.

    Attributes:
        gpu_hours: left this week; None: Kaggle does not say.
        looks: that still show a notebook as running.
        on_push: runs a pushed notebook; see the module.
        failure: what Kaggle says of a notebook that did not complete.
        push_error: what a push is answered, in a reply of status 200 as from Kaggle.
        datasets: reference -> content of its files.
        pushed: each notebook that was pushed, in order.
        cut: output files break off early.
    """

    gpu_hours: float | None = 30.0
    looks: int = 1
    on_push: Callable[[Json, dict[str, bytes]], Run] = lambda body, data: ("COMPLETE", {})
    failure: str = ""
    push_error: str = ""
    datasets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    pushed: list[Json] = field(default_factory=list)
    cut: bool = False
    _runs: dict[str, Run] = field(default_factory=dict)
    _looked: dict[str, int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, body: Json, uploads: dict[str, bytes], files: dict[str, bytes]) -> Json | None:
        """Answers a call; None for a method of others.

        Raises:
            KeyError: no such data set or notebook.
        """
        if method == "StartBlobUpload":
            token = f"blob-{len(uploads)}-{body['name']}"
            uploads[token] = b""
            self._names[token] = body["name"]
            return {"token": token, "createUrl": f"http://localhost/upload/{token}"}
        if method in ("CreateDataset", "CreateDatasetVersion"):
            return self._take_in(body, uploads)
        if method == "GetDatasetStatus":
            self.datasets[f"{body['ownerSlug']}/{body['datasetSlug']}"]
            return {"status": "READY"}
        if method == "GetAcceleratorQuotaStatistics":
            if self.gpu_hours is None:
                return {}
            used = f"{(30 - self.gpu_hours) * 3600:.0f}s"
            return {"gpuQuota": {"timeUsed": used, "totalTimeAllowed": "108000s"}}
        if method == "SaveKernel":
            return self._push(body)
        if method == "GetKernelSessionStatus":
            return self._look(f"{body['userName']}/{body['kernelSlug']}")
        if method == "ListKernelSessionOutput":
            return self._list(f"{body['userName']}/{body['kernelSlug']}", files)
        return None

    def _take_in(self, body: Json, uploads: dict[str, bytes]) -> Json:
        about = body.get("body", body)
        ref = f"{body['ownerSlug']}/{body.get('datasetSlug') or body['slug']}"
        tokens = [file["token"] for file in about["files"]]
        self.datasets[ref] = {self._names[token]: uploads[token] for token in tokens}
        return {"status": "ok", "url": f"https://www.kaggle.com/{ref}", "ref": ref}

    def _push(self, body: Json) -> Json:
        if self.push_error:
            return {"error": self.push_error}
        self.pushed.append(body)
        wanted = body.get("datasetDataSources", [])
        missing = [ref for ref in wanted if ref not in self.datasets]
        data = {name: content for ref in wanted if ref not in missing for name, content in self.datasets[ref].items()}
        self._runs[body["slug"]] = self.on_push(body, data)
        self._looked[body["slug"]] = 0
        version = sum(each["slug"] == body["slug"] for each in self.pushed)
        answer = {"ref": body["slug"], "url": f"https://www.kaggle.com/code/{body['slug']}", "versionNumber": version}
        return {**answer, "invalidDatasetSources": missing}

    def _look(self, ref: str) -> Json:
        status, _ = self._runs[ref]
        self._looked[ref] += 1
        if self._looked[ref] <= self.looks:
            return {"status": "RUNNING"}
        return {"status": status, **({"failureMessage": self.failure} if self.failure else {})}

    def _list(self, ref: str, files: dict[str, bytes]) -> Json:
        listed = []
        for name, content in self._runs[ref][1].items():
            place = f"{ref.replace('/', '-')}-{name}"
            files[place] = content[: len(content) // 8] if self.cut else content
            listed.append({"fileName": name, "url": f"http://localhost/files/{place}"})
        return {"files": listed, "log": json.dumps([{"stream_name": "stdout", "data": "ran"}])}
