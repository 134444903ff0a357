"""The worker that has LightGBM too, for `ml.boosted_trees`: measured apart, else the same.

    python -m strongroom.enclave.room.worker.ml --socket FD --chip DIR --host PID --memory MB

Owns nothing but that.
"""

from strongroom.enclave.room.worker.__main__ import main
from strongroom.enclave.room.worker.measurement import ANALYTICS_ML

if __name__ == "__main__":
    main(ANALYTICS_ML)
