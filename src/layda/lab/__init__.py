"""The lab: a page where people roll the ball themselves, served, in a notebook, or as one file.

The page computes in the browser. :mod:`layda.lab.scene` makes what it computes with, from the same programs as
everything else: tapes of objectives, rules, the stopping test and the verdict. ``static/`` holds the page's own module.
"""
