#!/usr/bin/env python3
"""sconce convert as a user meets it: formats, names, dtypes, what exists, what is damaged, what is stopped."""

import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest
import zipfile

from checkpoint_files import hollow_safetensors, pickled_tensor, pickled_text, safetensors, torch_zip
from command import BIN, CommandTest, fixture, peak_memory, sconce


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    return {name: (entry["dtype"], entry["shape"], data[8 + size:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}, metadata


class ConvertTest(CommandTest):
    def converted(self, *arguments, **options):
        result = sconce("convert", *arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def names(self, path):
        return [tensor["name"] for tensor in json.loads(sconce("inspect", "--json", path).stdout)["tensors"]]

    def digests(self, path):
        report = json.loads(sconce("inspect", "--json", "--digest", path).stdout)
        return {tensor["name"]: (tensor["dtype"], tensor["shape"], tensor["sha256"]) for tensor in report["tensors"]}

    def left_behind(self):
        return sorted(path.name for path in self.folder.iterdir())

    def test_torch_to_safetensors_and_back(self):
        source = fixture("sd_26.pt")
        middle, back = self.folder / "x.safetensors", self.folder / "y.pt"
        result = self.converted(source, middle)
        self.assertRegex(result.stdout, r"x\.safetensors: safetensors, \d+ tensors, ")
        self.assertEqual(result.stderr, "")
        tensors, metadata = read_safetensors(middle)
        self.assertEqual(metadata, {"format": "pt"})
        self.assertEqual(tensors["0.weight"][:2], ("F32", [3, 2]))
        self.converted(middle, back)
        self.assertEqual(self.digests(source), self.digests(back))
        self.assertEqual(json.loads(sconce("inspect", "--json", back).stdout)["format"], "torch-zip")

    def test_torch_to_torch_is_the_same_tree(self):
        source = fixture("views.weird.name_26.pt.tar")
        out = self.folder / "out.pt"
        self.converted(source, out)
        self.assertEqual(self.digests(source), self.digests(out))
        again = self.folder / "again.pt"
        self.converted(out, again)
        with zipfile.ZipFile(out) as first, zipfile.ZipFile(again) as second:
            self.assertEqual(first.read("out/data.pkl"), second.read("again/data.pkl"))

    def test_modules_become_state_dicts(self):
        out = self.folder / "m.safetensors"
        self.converted(fixture("mod_26.pt"), out)
        self.assertIn("0.weight", read_safetensors(out)[0])

    def test_format_follows_the_name_unless_told(self):
        source = fixture("w_26.pt")
        for name in ("a.pt", "a.pth", "a.bin", "a.ckpt", "a"):
            self.converted(source, self.folder / name)
            self.assertTrue(zipfile.is_zipfile(self.folder / name))
        self.converted(source, self.folder / "b.bin", "--to", "safetensors")
        self.assertEqual(list(read_safetensors(self.folder / "b.bin")[0]), ["w"])
        self.refused(sconce("convert", source, self.folder / "c", "--to", "onnx"), "--to")

    def test_npy_holds_one_array(self):
        out = self.folder / "w.npy"
        self.converted(fixture("w_26.pt"), out)
        self.assertEqual(out.read_bytes()[:6], b"\x93NUMPY")
        self.assertEqual(list(self.digests(out).values()), list(self.digests(fixture("w_26.pt")).values()))
        self.refused(sconce("convert", fixture("sd_26.pt"), self.folder / "many.npy"), "one array")

    def test_several_files_by_size(self):
        source = fixture("sd_26.pt")
        for name, format in (("x.safetensors", "safetensors-index"), ("x.bin", "torch-index")):
            report = json.loads(self.converted("--json", "--shard-size", "24B", source, self.folder / name).stdout)
            self.assertEqual(report["format"], format)
            self.assertGreater(len(report["files"]), 2)
            self.assertFalse((self.folder / name).exists())
            self.assertEqual(self.digests(source), self.digests(self.folder / f"{name}.index.json"))
        self.refused(sconce("convert", source, self.folder / "y.pt", "--shard-size", "0"), "is not a size")
        self.refused(sconce("convert", source, self.folder / "y.npz", "--shard-size", "1GB"), "several files")

    def test_tensors_within_objects_that_are_left_out_are_named(self):
        # {"a": D(t=tensor), "b": tensor} with a class D that derives from dict.
        inner = b"c__main__\nD\n)\x81(" + pickled_text("t") + pickled_tensor(0, 2) + b"u"
        outer = b"}(" + pickled_text("a") + inner + pickled_text("b") + pickled_tensor(1, 2) + b"u"
        source = torch_zip(self.folder / "in.pt", outer, [bytes(8), bytes(8)])
        report = json.loads(self.converted("--json", source, self.folder / "out.pt").stdout)
        self.assertEqual(report["tensors"], 1)
        self.assertEqual([entry["name"] for entry in report["left_out"]], ["a.t"])
        self.assertEqual(self.names(self.folder / "out.pt"), ["b"])

    def test_names(self):
        values = {name: ("F32", [1], struct.pack("<f", i)) for i, name in enumerate(
            ["module.conv.weight", "module.conv.bias", "module.fc.weight"])}
        source, out = self.folder / "s.safetensors", self.folder / "o.safetensors"
        source.write_bytes(safetensors(values))

        def result(*options):
            self.converted(source, out, "--force", *options)
            return sorted(read_safetensors(out)[0])

        self.assertEqual(result("--strip-prefix", "module."), ["conv.bias", "conv.weight", "fc.weight"])
        self.assertEqual(result("--select", "*.weight", "--exclude", "*fc*"), ["module.conv.weight"])
        self.assertEqual(result("--select", "*fc*", "--select", "*.bias"), ["module.conv.bias", "module.fc.weight"])
        self.assertEqual(result("--rename", r"^module\.(\w+)=net.\1", "--rename", "weight$=w"),
                         ["net.conv.bias", "net.conv.w", "net.fc.w"])
        self.assertEqual(result("--strip-prefix", "module.", "--add-prefix", "m.", "--select", "*bias"),
                         ["m.conv.bias"])
        self.refused(sconce("convert", source, out, "--force", "--rename", "conv|fc=x"), "module.conv.weight",
                     "module.fc.weight")
        self.refused(sconce("convert", source, out, "--force", "--rename", "("), "regex")
        self.refused(sconce("convert", source, out, "--force", "--select", "none*"), "no name")
        warned = self.converted(source, out, "--force", "--strip-prefix", "nodule.")
        self.assertIn("warning: ", warned.stderr)

    def test_dtype(self):
        source, out = self.folder / "s.safetensors", self.folder / "o.safetensors"
        source.write_bytes(safetensors({"w": ("F32", [3], [1.5, 1e6, float("inf")]), "n": ("I64", [1], [7])}))
        result = self.converted(source, out, "--dtype", "f16")
        self.assertIn("1 now f16", result.stdout)
        self.assertIn("'w': 1 value is too large for float16", result.stderr)
        tensors, _ = read_safetensors(out)
        self.assertEqual(tensors["w"], ("F16", [3], struct.pack("<3e", 1.5, float("inf"), float("inf"))))
        self.assertEqual(tensors["n"], ("I64", [1], struct.pack("<q", 7)))
        report = json.loads(self.converted(source, out, "--dtype", "bf16", "--force", "--json").stdout)
        self.assertEqual((report["cast"], report["overflowed"], report["tensors"]), (1, 0, 2))
        self.refused(sconce("convert", source, out, "--force", "--dtype", "int8"), "--dtype")

    def test_report(self):
        out = self.folder / "o.pt"
        report = json.loads(self.converted(fixture("sd_26.pt"), out, "--select", "0.*", "--json").stdout)
        self.assertEqual(report["format"], "torch-zip")
        self.assertEqual(report["output"], str(out))
        self.assertEqual(report["bytes"], out.stat().st_size)
        self.assertEqual(report["tensors"], len(self.names(out)))
        self.assertTrue(report["deselected"])
        self.assertTrue(all(not name.startswith("0.") for name in report["deselected"]))

    def test_an_existing_output_is_left_alone(self):
        out = self.folder / "o.pt"
        out.write_text("mine")
        self.refused(sconce("convert", fixture("w_26.pt"), out), "o.pt", "--force")
        self.assertEqual(out.read_text(), "mine")
        self.converted(fixture("w_26.pt"), out, "--force")
        self.assertEqual(self.names(out), ["w"])
        self.assertEqual(self.left_behind(), ["o.pt"])

    def test_the_output_may_be_the_input(self):
        path = self.folder / "x.pt"
        shutil.copy(fixture("sd_26.pt"), path)
        before = self.digests(path)
        self.refused(sconce("convert", path, path), "--force")
        self.converted(path, path, "--force", "--dtype", "f64")
        self.assertEqual({tensor[0] for tensor in self.digests(path).values()} - {"int64"}, {"float64"})
        self.converted(path, path, "--force", "--dtype", "f32")
        self.assertEqual(self.digests(path), before)
        link = self.folder / "link.pt"
        link.symlink_to(path)
        self.converted(link, link, "--force")
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.digests(path), before)

    def test_damage_is_found_and_nothing_is_written(self):
        good = fixture("w_26.pt").read_bytes()
        start = good.index(struct.pack("<6f", *range(6)))
        bad = bytearray(good)
        bad[start + 9] ^= 0x10
        source = self.folder / "bad.pt"
        source.write_bytes(bytes(bad))
        for name in ("o.pt", "o.safetensors"):
            self.refused(sconce("convert", source, self.folder / name), "bad.pt", "CRC")
            self.refused(sconce("convert", source, self.folder / name, "--dtype", "bf16"), "bad.pt", "CRC")
        self.assertEqual(self.left_behind(), ["bad.pt"])
        for size in range(0, len(good), 41):
            source.write_bytes(good[:size])
            self.refused(sconce("convert", source, self.folder / "o.pt"))
        self.assertEqual(self.left_behind(), ["bad.pt"])

    def test_no_such_places(self):
        self.refused(sconce("convert", self.folder / "none.pt", self.folder / "o.pt"), "none.pt")
        self.refused(sconce("convert", fixture("w_26.pt"), self.folder / "no/folder/o.pt"), "o.pt")
        self.refused(sconce("convert", fixture("w_26.pt")), "OUT")
        self.refused(sconce("convert", fixture("w_26.pt"), self.folder / "o.pt", "--state-dict", "modle"), "modle")

    def test_a_read_only_folder(self):
        shut = self.folder / "shut"
        shut.mkdir(mode=0o555)
        options = {}
        if os.geteuid() == 0:
            os.chmod(self.folder, 0o755)
            # Nobody may not look where the build is, in root's home perhaps.
            program = shutil.copy(BIN / "sconce", self.folder)
            options = {"program": program, "user": 65534, "group": 65534, "extra_groups": []}
        source = self.folder / "w.pt"
        shutil.copy(fixture("w_26.pt"), source)
        os.chmod(source, 0o644)
        self.refused(sconce("convert", source, shut / "o.pt", **options), "o.pt", "ermission")
        self.assertEqual(list(shut.iterdir()), [])

    def big_file(self, megabytes):
        return hollow_safetensors(self.folder / "big.safetensors", 1, megabytes << 20)

    def test_a_full_disk(self):
        source = self.big_file(8)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        for name in ("o.pt", "o.safetensors"):
            self.refused(sconce("convert", source, self.folder / name, preexec_fn=limit), name)
        self.assertEqual(self.left_behind(), ["big.safetensors"])

    def test_a_full_file_system(self):
        mount = self.folder / "small"
        mount.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["unshare", "-m", "true"], capture_output=True).returncode != 0:
            self.skipTest("needs the right to mount a file system")
        source = self.big_file(8)
        script = (f"mount -t tmpfs -o size=1m tmpfs '{mount}' || exit 77; echo old > '{mount}/o.pt'; "
                  f"'{BIN}/sconce' convert --force '{source}' '{mount}/o.pt'; status=$?; "
                  f"cat '{mount}/o.pt'; ls -A '{mount}'; exit $status")
        result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
        if result.returncode == 77:
            self.skipTest("cannot mount a tmpfs: " + result.stderr)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("No space left", result.stderr)
        self.assertEqual(result.stdout, "old\no.pt\n")

    def test_stopped_half_way(self):
        source = self.big_file(2048)
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            out = self.folder / "o.pt"
            process = subprocess.Popen([str(BIN / "sconce"), "convert", str(source), str(out), "--dtype", "f64"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(0.3)
            process.send_signal(number)
            stdout, _ = process.communicate(timeout=60)
            self.assertEqual(process.returncode, status)
            self.assertEqual(stdout, "")
            self.assertEqual(self.left_behind(), ["big.safetensors"])

    @unittest.skipIf("SCONCE_SANITIZED" in os.environ, "memory is not the product's own")
    def test_memory_stays_below_the_file(self):
        source = self.big_file(512)
        for arguments in (["o.pt"], ["o.safetensors"], ["p.safetensors", "--dtype", "bf16"]):
            out = self.folder / arguments[0]
            status, peak = peak_memory("convert", source, out, *arguments[1:])
            self.assertEqual(status, 0)
            self.assertLess(peak, 100 << 20)
            out.unlink()


if __name__ == "__main__":
    unittest.main()
