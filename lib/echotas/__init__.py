"""EchoTAS: an open, reproducible benchmark for myocardial motion and strain in echocardiography."""

__all__ = ["__version__"]

__version__ = "0.1.0"
