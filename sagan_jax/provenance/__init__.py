"""Marks what is rendered as synthetic, and says of any file where it comes from.

Data flow: an `Origin` and a `SigningIdentity` become a signed manifest, a payload becomes an
invisible watermark; `verify` reads both back. `forget` finds everything made of a person. Knows
nothing of networks, and uses no network connection unless a time-stamp authority is named.
"""

__all__ = ("forget", "manifest", "marking", "signing", "verify", "watermark")
