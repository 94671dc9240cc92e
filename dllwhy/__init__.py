"""Why a DLL loads or does not, and what a build log means.

It knows nothing of doit, of config.yaml or of any build.
"""
