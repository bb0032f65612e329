"""The finished page in another language: `catalogue` finds what is said for a sentence, `page` puts it into the HTML.

`material` says which letters of a case are nobody's sentence of ours and stand as they are.
"""
