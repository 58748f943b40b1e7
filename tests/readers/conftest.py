"""Small files of the field, written by the tests themselves."""

from pathlib import Path

import numpy as np
import pytest

REAL = Path(__file__).parents[3] / "shared" / "real"


@pytest.fixture
def real():
    """Path of a file under ../shared/real; the test skips where it is absent."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.exists():
            pytest.skip(f"needs the real file {name} under ../shared/real")
        return path

    return find


@pytest.fixture
def fan():
    """Frames u8 (n_frames, height, width) of flickering speckle inside a sector, black outside."""

    def draw(n_frames=8, size=(120, 160), apex=None, half_angle_deg=37.5, radius=None, seed=0):
        apex = ((size[1] - 1) / 2, 0.0) if apex is None else apex
        radius = (0.0, size[0] - 2.0) if radius is None else radius
        row, column = np.indices(size)
        x, y = column - apex[0], row - apex[1]
        distance, angle = np.hypot(x, y), np.degrees(np.arctan2(x, y))
        held = (np.abs(angle) <= half_angle_deg) & (distance >= radius[0]) & (distance <= radius[1])
        grey = np.random.default_rng(seed).integers(20, 200, (n_frames, *size))
        return np.where(held, grey, 0).astype(np.uint8)

    return draw


@pytest.fixture
def write_video():
    """Encode u8 frames (n_frames, height, width[, 3]) with PyAV; ffv1 is lossless."""

    def write(path, frames, rate=25, codec="ffv1", pixel_format=None, aspect=None):
        import av

        frames = np.asarray(frames)
        kind = "gray" if frames.ndim == 3 else "rgb24"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format or ("gray" if frames.ndim == 3 else "bgr0")
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=kind)))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def write_dicom():
    """An uncompressed ultrasound multi-frame DICOM; attributes and regions as given, None leaves an attribute out."""

    def write(path, pixels, regions=(), sop_class="1.2.840.10008.5.1.4.1.1.3.1", **attributes):
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid

        pixels = np.asarray(pixels)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.Modality = "US"
        dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711"
        colour = pixels.ndim == 4
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        dataset.NumberOfFrames = len(pixels)
        dataset.Rows, dataset.Columns = pixels.shape[1:3]
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = pixels.astype(np.uint8).tobytes() + b"\0" * (pixels.size % 2)
        dataset.SequenceOfUltrasoundRegions = [_region(**region) for region in regions]
        if not regions:
            del dataset.SequenceOfUltrasoundRegions
        for name, value in attributes.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def _region(box, delta_cm, kind=1, data=1, units=(3, 3)):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = kind, data, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
    item.PhysicalUnitsXDirection, item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = delta_cm
    return item
