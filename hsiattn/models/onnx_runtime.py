"""Sessions of ONNX Runtime on the CPU: without libraries of operators, without files, and quiet."""

from __future__ import annotations

from typing import Any

from hsiattn.errors import ModelFileError


def open_session(content: bytes, *, threads: int = 0) -> Any:
    """An `onnxruntime.InferenceSession` of the bytes of a model.

    Parameters
    ----------
    threads
        Threads of every operation; 0 for as many as there are cores.

    Raises
    ------
    ModelFileError
        ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError("ONNX Runtime is not installed", "install hsiattn[onnx]") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is said by the error
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.load_model_format", "ONNX")
    quietly: dict[str, Any] = {"enable_fallback": 0}  # which prints
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], **quietly)


def runtime_version() -> str:
    """Version of ONNX Runtime; "" where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return ""
    return str(onnxruntime.__version__)


def failures() -> tuple[type[Exception], ...]:
    """Exceptions by which ONNX Runtime refuses a model or fails to run it; it must be installed."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NotImplemented")
    found = (getattr(state, name, None) for name in (*names, "NoSuchFile", "RuntimeException", "NoSuchOpkernel"))
    return (*(kind for kind in found if kind is not None), RuntimeError, ValueError, MemoryError)
