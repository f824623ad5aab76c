"""Code that `tools/analysis_tools/benchmark.py` compares: `suites` set the cases up, `textbook`
holds the plain versions, `measurement` and `counters` measure.
"""
