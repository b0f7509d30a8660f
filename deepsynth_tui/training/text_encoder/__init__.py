"""A second model that reads the instruction and tells the decoder of it in soft tokens.

The way of an instruction: `instructions` makes tokens of it for the encoder, `room` leaves places
for it in the decoder's sequence, `module` turns encoder states into soft tokens (`pooling` says
which), and `entrance` puts them into those places as the decoder embeds its tokens.
"""
