"""The distribution polyrec: four packages under their own names, the presets, and the command `polyrec`."""

from pathlib import Path

from setuptools import find_packages, setup

# The tested sets are requirements.lock and requirements-glibc236.lock; these are their direct ones with room to move.
# Nothing finds a set by itself: today's TFX asks for a TensorFlow with which ScaNN does not load, and TFX 1.16 for no
# Beam and setuptools in particular, though it does not import with later ones (docs/install.md says what to do).
PIPELINE = [
    "tfx>=1.16,<1.22",
    "tensorflow>=2.16.2,<2.21",
    "tf-keras>=2.16,<2.21",
    "tensorflow-recommenders>=0.7.7,<0.8",
    "tensorflow-serving-api>=2.16,<2.21",
    "scann>=1.3.2,<1.5",
    "apache-beam>=2.61,<3",
    "pyarrow>=10,<19",
    "numpy>=1.26,<3",
    "grpcio>=1.60,<2",
    "grpcio-health-checking>=1.48,<2",
    "setuptools<81",
    "pydantic>=2.10,<3",
    "click>=8,<9",
    "rich>=13,<16",
    "pyyaml>=6,<7",
    "matplotlib>=3.8,<4",
    "packaging>=20",
    "prometheus-client>=0.20",
    "python-json-logger>=3,<5",
    "tornado>=6.4.2,<7",
    "pandas>=1.5,<3",
    "scikit-learn>=1.3,<2",
    "platformdirs>=3,<5",
]

setup(
    name="polyrec",
    version="0.1.0",
    description="Multi-interest retrieval as a TFX pipeline: from a click log to a served top-N",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["recommender systems", "retrieval", "multi-interest", "TFX", "TensorFlow", "nearest neighbours"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    # The client. The rest runs on 3.10 to 3.13, see PIPELINE.
    python_requires=">=3.9",
    packages=find_packages(include=["trainer*", "serving*", "components*", "pipeline*"]),
    package_data={
        "trainer": ["py.typed"],
        "serving": ["py.typed"],
        "components": ["py.typed"],
        "pipeline": ["py.typed", "presets/*.yaml"],
    },
    # What serving.client needs, on any system and any Python from 3.9 on.
    install_requires=["grpcio>=1.48,<2", "numpy>=1.22,<3", "protobuf>=3.20.3,<8"],
    extras_require={
        "client": [],
        "pipeline": PIPELINE,
        "kfp": ["kfp>=2.5,<3"],
        # Later versions of transformers leave TensorFlow behind, and those of filelock Python 3.10.
        "text": ["transformers>=4.40,<4.50", "tokenizers>=0.19,<0.22", "safetensors>=0.4.1,<0.6", "filelock>=3,<4"],
        "dev": [
            "pytest>=8",
            "pytest-cov>=6",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "cryptography>=42",
            "kubernetes>=26",
            "ruff>=0.9",
            "mypy>=1.14",
            "types-PyYAML",
            "types-protobuf",
            "pandas-stubs",
        ],
    },
    entry_points={"console_scripts": ["polyrec=pipeline.__main__:main"]},
)
