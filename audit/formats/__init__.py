"""The record in the forms that other programs and people read.

None of them is evidence: only the native bundle can be checked. So that each can be traced back
to it, every one carries the entry's sequence number and leaf hash.
"""
