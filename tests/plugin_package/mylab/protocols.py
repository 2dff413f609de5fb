from datasets.protocols import NoiseRule, Protocol, register_protocol

register_protocol(
    Protocol(
        name="cropped",
        version=1,
        summary="this lab: sides cut to multiples of 4, noise by image content, 8-bit output",
        noise=NoiseRule(seeding="content", seed=None, file_order="sorted", clip=True, quantise="round"),
        crop_multiple=4,
        round_output="round8",
    )
)
