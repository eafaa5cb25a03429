"""Rows of TFRecord files, each a ``tf.train.Example``, read without TensorFlow and with every checksum looked at.

The form: https://www.tensorflow.org/tutorials/load_data/tfrecord; its messages are declared to protobuf here as
tensorflow/core/example/feature.proto declares them.
"""

import gzip
import struct
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from pipeline.core.errors import InputError, one_line
from pipeline.data.containers.cells import Row

_MOST = 1 << 31  # bytes of one record: more is a damaged length
_FIELDS = {"bytes_list": 1, "float_list": 2, "int64_list": 3}


def iterate_tfrecords(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the features of each example: a value, a list of several, or None where there is none.

    Args:
        path: the file, gzipped or not.
        columns: features that are wanted; None is all.

    Raises:
        InputError: damaged, cut off, or no examples.
    """
    from google.protobuf.message import DecodeError

    example = _example_class()
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    try:
        with cast(IO[bytes], gzip.open(path) if packed else path.open("rb")) as file:
            for number, content in enumerate(_contents(file, path), 1):
                try:
                    features = example.FromString(content).features.feature
                except DecodeError as error:
                    raise InputError(
                        f"{path}, record {number} is no tf.train.Example ({one_line(error)}); "
                        "other contents of TFRecord files cannot be read"
                    ) from error
                yield {
                    name: _value(feature) for name, feature in features.items() if columns is None or name in columns
                }
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path} is damaged ({one_line(error)}); get it again") from error


def _contents(file: IO[bytes], path: Path) -> Iterator[bytes]:
    import google_crc32c

    number = 0
    while head := file.read(12):
        number += 1
        length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else _MOST
        if length >= _MOST or _mask(google_crc32c.value(head[:8])) != struct.unpack("<I", head[8:])[0]:
            what = "is no TFRecord file" if number == 1 else f"is damaged at record {number}"
            raise InputError(f"{path} {what} (the checksum of a record's length does not hold); get it again")
        content, check = file.read(length), file.read(4)
        if len(content) < length or len(check) < 4:
            raise InputError(f"{path} ends within record {number}; get it again")
        if _mask(google_crc32c.value(content)) != struct.unpack("<I", check)[0]:
            raise InputError(f"{path} is damaged at record {number} (its checksum does not hold); get it again")
        yield content


def _mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _value(feature: Any) -> object:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return None if not values else values[0] if len(values) == 1 else values


@cache
def _example_class() -> Any:
    """The message class of ``tf.train.Example``, in a pool of its own: TensorFlow registers its one itself."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tf", syntax="proto3")
    for name, kind in (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    ):
        file.message_type.add(name=name).field.add(name="value", number=1, label=kinds.LABEL_REPEATED, type=kind)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for name, number in _FIELDS.items():
        _add_message(feature, name, number, name.title().replace("_", "")).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_STRING)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry").label = kinds.LABEL_REPEATED
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf.Example"))


def _add_message(message: Any, name: str, number: int, kind: str) -> Any:
    from google.protobuf import descriptor_pb2

    types = descriptor_pb2.FieldDescriptorProto
    return message.field.add(
        name=name, number=number, label=types.LABEL_OPTIONAL, type=types.TYPE_MESSAGE, type_name=f".tf.{kind}"
    )
