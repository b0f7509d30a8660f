"""What a person can set.

The models in `training` and `dataset` are the one declaration of every field. From them come the
YAML that `load` reads, the forms that the terminal interface draws, `--set` and the JSON Schema.
Nothing here imports another room of the house.
"""
