from hypothesis import settings

# a busy machine is no failure: without this, hypothesis fails an example that takes over 200 ms
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
