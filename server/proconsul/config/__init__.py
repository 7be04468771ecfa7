"""What the server was told to do: text in, values out.

Files and flags are read elsewhere (`runtime.config_files`); here nothing touches the world.
"""
