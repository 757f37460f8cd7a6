"""Read any artifact, with neither Qt nor TensorFlow.

`registry` has the table of formats and which module reads each. A package holds one family of
formats; modules beside the packages are what several of them share.
"""
