"""Weights of a network under the names of its plain form."""


def renamed_weights(model, names):
    """State dict of a network, every part of a name replaced by what ``names`` says, in order."""
    state = {}
    for key, value in model.state_dict().items():
        for ours, plain in names.items():
            key = key.replace(ours, plain)
        state[key] = value
    return state
