"""The 34 groups of CUB's species in the public code of MaskCon with binary attributes.

From its enhanced_MaskCon/datasets/CUB.py (https://github.com/aveej6224/MaskCon-BinaryAttributes), the mapping in use. Mostly
families of names, with odd members: group 2 holds the Groove-billed Ani and the auklets, group 3 a dozen unrelated species.
"""

# By class number, 1 to 200, twenty in a row.
# fmt: off
GROUPS = (
    1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 3, 4, 4, 4,
    3, 3, 4, 4, 4, 5, 5, 3, 6, 6, 7, 7, 7, 8, 8, 9, 10, 10, 10, 10,
    10, 10, 10, 9, 9, 8, 8, 8, 3, 11, 11, 11, 11, 12, 12, 12, 12, 13, 14, 14,
    14, 14, 14, 14, 14, 14, 15, 15, 15, 3, 16, 16, 16, 16, 16, 3, 17, 17, 18, 18,
    18, 18, 18, 13, 3, 13, 19, 19, 19, 19, 19, 19, 19, 19, 20, 20, 20, 20, 20, 21,
    21, 22, 22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 24, 24, 24, 24, 24, 24, 24, 24,
    24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 25, 26, 26, 26, 26, 25, 25,
    27, 27, 27, 27, 27, 27, 27, 27, 28, 28, 29, 29, 29, 29, 29, 29, 29, 30, 30, 30,
    30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    30, 30, 31, 31, 32, 32, 33, 33, 33, 33, 33, 33, 34, 34, 34, 34, 34, 34, 34, 34,
)
# fmt: on
