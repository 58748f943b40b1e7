"""MetaImage: header keys, layout, compression, byte order."""

import zlib

import numpy as np
import pytest

from echotas.readers import ReaderError, read_metaimage

VALUES = np.arange(2 * 3 * 4).reshape(2, 3, 4)


def write(path, raw, extra="", kind="MET_UCHAR", dims="4 3 2", data_file=None):
    data_file = data_file or f"{path.stem}.raw"
    path.write_bytes(
        f"NDims = 3\nElementSpacing = 0.3 0.2 1\nDimSize = {dims}\nElementType = {kind}\n{extra}"
        f"ElementDataFile = {data_file}\n".encode()
        + (raw if data_file == "LOCAL" else b"")
    )
    if data_file != "LOCAL":
        (path.parent / data_file).write_bytes(raw)
    return path


def test_first_axis_runs_fastest(tmp_path):
    image = read_metaimage(write(tmp_path / "a.mhd", VALUES.astype(np.uint8).tobytes()))
    np.testing.assert_array_equal(image.values, VALUES)
    assert image.spacing_mm == (0.3, 0.2)


def test_compressed_local_and_big_endian_data(tmp_path):
    raw = zlib.compress(VALUES.astype(">u2").tobytes())
    extra = "CompressedData = True\nBinaryDataByteOrderMSB = True\n"
    image = read_metaimage(write(tmp_path / "a.mha", raw, extra, "MET_USHORT", data_file="LOCAL"))
    np.testing.assert_array_equal(image.values, VALUES)


def test_two_dimensional_image_has_one_frame(tmp_path):
    path = write(tmp_path / "a.mhd", VALUES[0].astype(np.uint8).tobytes(), dims="4 3")
    assert read_metaimage(path).values.shape == (1, 3, 4)


def test_exception(tmp_path):
    raw = VALUES.astype(np.uint8).tobytes()
    with pytest.raises(ReaderError, match="must hold 24 bytes .*, got 20"):
        read_metaimage(write(tmp_path / "short.mhd", raw[:20]))
    with pytest.raises(ReaderError, match="DimSize must be numbers, got '4 x 2'"):
        read_metaimage(write(tmp_path / "dims.mhd", raw, dims="4 x 2"))
    with pytest.raises(ReaderError, match="ElementType must be one channel"):
        read_metaimage(write(tmp_path / "kind.mhd", raw, kind="MET_STRING"))
    path = write(tmp_path / "gone.mhd", raw)
    path.with_suffix(".raw").unlink()
    with pytest.raises(ReaderError, match=r"gone\.mhd: ElementDataFile 'gone\.raw' cannot be read: no such file"):
        read_metaimage(path)
    (tmp_path / "binary.mhd").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(ReaderError, match="must start with a MetaImage text header"):
        read_metaimage(tmp_path / "binary.mhd")
    (tmp_path / "few.mhd").write_text("NDims = 3\n")
    with pytest.raises(ReaderError, match="must have a header line 'DimSize'"):
        read_metaimage(tmp_path / "few.mhd")
