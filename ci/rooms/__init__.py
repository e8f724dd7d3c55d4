"""The rules of the house and how they are checked; started by ../rooms.py.

  rules        the tables: who may include whom, where a word may stand, how long a thing may be
  code         reading C: comments, strings, top-level pieces
  file_checks  what one file shows         tree_checks  what only all files together show
  cmake        wings as the build files tell them          graph  circles
  snippets     offending and innocent trees                self_test  feeds them through the same checks
"""
