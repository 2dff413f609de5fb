"""Fetching: resumed and verified downloads from a local server, and archives that mean no good."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datasets.catalog import get_dataset
from datasets.catalog.spec import Archive
from datasets.fetch import FetchError, download, fetch, instructions, unpack

BODY = b"0123456789" * 5000


class Server:
    """Serves BODY at every address and remembers from which byte each request asked."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.cut_after: int | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if start >= len(BODY):
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(BODY) - start))
                self.end_headers()
                body = BODY[start:]
                self.wfile.write(body[: server.cut_after] if server.cut_after else body)
                server.cut_after = None

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/body.bin"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def archive_at(url: str, checksum: str) -> Archive:
    return Archive(url=url, checksum=checksum, checksum_source="this test", members=".*", target="x")


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    archive = archive_at(server.url, "sha256:" + hashlib.sha256(BODY).hexdigest())
    server.cut_after = 20_000
    with pytest.raises(FetchError, match="resumes"):
        download(archive, tmp_path)
    arrived = (tmp_path / "body.bin.part").stat().st_size
    assert 0 < arrived <= 20_000
    assert download(archive, tmp_path).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={arrived}-"]
    download(archive, tmp_path)
    assert len(server.ranges) == 2, "a verified file is not downloaded again"


def test_a_wrong_checksum_is_refused_and_nothing_stays(server, tmp_path):
    with pytest.raises(FetchError, match=r"checksum md5:0+ \(this test\)"):
        download(archive_at(server.url, "md5:" + "0" * 32), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_connection_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(FetchError, match=r"Can't download http://127\.0\.0\.1:9/x\.bin"):
        download(archive_at("http://127.0.0.1:9/x.bin", "md5:" + "0" * 32), tmp_path)


def test_sets_without_an_address_say_what_to_do(tmp_path):
    spec = get_dataset("rain100l-train")
    with pytest.raises(FetchError, match="get it by hand"):
        fetch(spec, tmp_path, tmp_path)
    text = instructions(spec, tmp_path)
    for part in (
        spec.homepage,
        spec.licence,
        spec.citation,
        str(tmp_path / "Rain100L-train/degraded"),
        "Train/Derain/rainy",
    ):
        assert part in text


def tar_of(path: Path, members: Sequence[tuple[str, bytes | str]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, body in members:
            info = tarfile.TarInfo(name)
            if isinstance(body, str):
                info.type, info.linkname = tarfile.SYMTYPE, body
                file.addfile(info)
            else:
                info.size = len(body)
                file.addfile(info, io.BytesIO(body))
    return path


def test_wanted_members_are_unpacked_flat(tmp_path):
    members = [("top/images/train/1.jpg", b"one"), ("top/images/val/2.jpg", b"two"), ("top/readme.txt", b"text")]
    archive, target = tar_of(tmp_path / "a.tgz", members), tmp_path / "out"
    files = unpack(archive, target, r".*/images/(train|val)/\d+\.jpg")
    assert {path.name: path.read_bytes() for path in files} == {"1.jpg": b"one", "2.jpg": b"two"}
    assert sorted(path.name for path in target.iterdir()) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "a/../evil.jpg", "..\\evil.jpg", "C:/evil.jpg"]
)
def test_paths_that_lead_outside_are_refused_before_anything_is_written(tmp_path, name):
    members = [("good.jpg", b"good"), (name, b"evil")]
    with pytest.raises(FetchError, match="not safe to unpack"):
        unpack(tar_of(tmp_path / "a.tgz", members), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil.jpg").exists()


def test_links_never_reach_outside(tmp_path):
    for target in ("../../etc/passwd", "/etc/passwd"):
        with pytest.raises(FetchError, match=r"link 'a\.jpg' points"):
            unpack(tar_of(tmp_path / "a.tgz", [("a.jpg", target), ("b.jpg", b"b")]), tmp_path / "out")
    inside = tar_of(tmp_path / "b.tgz", [("x/a.jpg", "b.jpg"), ("x/b.jpg", b"b")])
    assert [path.name for path in unpack(inside, tmp_path / "in")] == ["b.jpg"], "links are not written at all"


def test_broken_and_odd_archives_are_refused(tmp_path):
    whole = tar_of(tmp_path / "a.tgz", [("a.jpg", bytes(range(256)) * 400)])
    (tmp_path / "cut.tgz").write_bytes(whole.read_bytes()[:300])
    (tmp_path / "text.tgz").write_text("no archive")
    (tmp_path / "empty.tgz").touch()
    for name in ("cut.tgz", "text.tgz", "empty.tgz", "nothing.tgz"):
        with pytest.raises(FetchError):
            unpack(tmp_path / name, tmp_path / "out")
    with pytest.raises(FetchError, match="no file that matches"):
        unpack(whole, tmp_path / "out", r"b\.jpg")
    twice = tar_of(tmp_path / "twice.tgz", [("x/a.jpg", b"1"), ("y/a.jpg", b"2")])
    with pytest.raises(FetchError, match=r"several files called 'a\.jpg'"):
        unpack(twice, tmp_path / "out")
