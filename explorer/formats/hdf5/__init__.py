"""HDF5 read in Python, bounded: damage ends in an error, never in a crash or an endless loop.

Written from the HDF5 File Format Specification Version 3.0; sections named in docstrings are its.
Everything raises `DamagedHdf5` where the file contradicts itself or points outside itself.
"""
