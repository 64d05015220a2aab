"""Does verify catch what it must? Media with one known defect each are made, verified, and the answers judged.

Comes in: a corpus of defects, named by an import path, because those who make bad media know how good ones are
made and verify may not. Goes out: a line for each defect and a score.
"""
