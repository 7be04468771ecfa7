"""The kinds of proconsul.io/v1alpha1 as values: what may be asked for, what is reported."""
