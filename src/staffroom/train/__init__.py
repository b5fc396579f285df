"""Examples, leak control, masks, adapters and pre-flight refusals: what turns documents and corrections into a candidate."""

__all__ = ()
