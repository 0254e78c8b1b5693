"""Measures of any head, however it was made: `report.measure(head)` gives findings, each with its limit."""
