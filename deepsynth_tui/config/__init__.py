"""What a user can set.

The models in `training` and `dataset` are the one declaration of every field. From them come the
YAML that `load` reads, the forms of the terminal interface, `--set`, the JSON Schema, and every
table about fields.

====================== =================================================================
`setting`              how a field and a section are declared
`training`, `dataset`  the declarations of the two kinds of run
`fields`               the declarations as plain values; `declared_fields` derives them
`kinds`                the kinds of run and their models
`load`                 YAML text to a configuration, or to every problem with it
`overrides`            `--set section.key=value`
`rules`                what no field can check alone
`preflight`            checks before a start, and the command that prints their result
`resume_training`, `resume_dataset`  what a resumed run may change
`export_formats`       names of the formats of other projects
`presets`, `renames`   presets, and names that other tools use
`yaml_text`            edit YAML without losing comments
`locations`            where runs, drafts and caches are
====================== =================================================================
"""
