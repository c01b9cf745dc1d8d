"""A real Prometheus that reads the page of a running edge."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from . import places
from .waiting import wait_until

_CONFIGURATION = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: tandem
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """Reads an edge's page twice a second and evaluates the rules."""

    def __init__(self, directory, edge, rules):
        self.port = places.free_port(places.EDGE)
        self._url = f"http://{places.EDGE}:{self.port}/api/v1"
        file = directory / "prometheus.yml"
        target = f"{places.EDGE}:{edge.configuration.prometheus_port}"
        file.write_text(_CONFIGURATION.format(rules=rules, target=target))
        self._log = (directory / "prometheus.log").open("w+")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}",
             f"--web.listen-address={places.EDGE}:{self.port}"],
            stdout=self._log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: self._answers("up"), 30, self.said)
        except BaseException:
            self.stop()
            raise

    def _answers(self, query):
        assert self._process.poll() is None, self.said()
        try:
            return any(sample["value"][1] == "1" for sample in self.query(query))
        except (urllib.error.URLError, ConnectionError):
            return False

    def said(self):
        self._log.flush()
        self._log.seek(0)
        return self._log.read()[-3_000:]

    def get(self, path, **arguments):
        """What the HTTP API answers; an error of the query is an AssertionError."""
        url = f"{self._url}/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                assert refused.code not in (400, 422), f"{arguments}: {refused.read().decode()}"
            raise
        assert said["status"] == "success" and not said.get("warnings"), said
        return said["data"]

    def query(self, query):
        """The samples of an instant query."""
        return self.get("query", query=query)["result"]

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        self._log.close()
