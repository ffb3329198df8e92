"""`python one_of_several.py RECORDS RECORDS OUTPUT`: a few steps of training, in as many processes as the environment says.

Each leaves its weights and metrics in `OUTPUT<rank>.npz`, and prints a line at each epoch's end.
"""

import sys
from pathlib import Path

from components.train.distribution import joined

EPOCHS, STEPS = 3, 6


def run(records: list[Path], output: str) -> None:
    with joined(run, records, output) as group:
        import keras
        import numpy as np

        from components.common.records import open_records
        from components.train.config import TrainConfig
        from components.train.models import build
        from components.train.reader import Reader
        from components.train.trainee import Trainee

        config = TrainConfig(
            backbone="hidden", weights="none", batchnorm="trained", image_px=32, batch=8, dropout=0, augment="none", l2=0.01
        )
        opened = open_records(records)
        keras.utils.set_random_seed(config.seed)
        network = build(config, len(opened.classes), mean_box=opened.mean_train_box)
        trainee = Trainee(network, config)
        trainee.compile(keras.optimizers.AdamW(3e-3, gradient_accumulation_steps=2))
        trainee.optimizer.build(trainee.trainable_variables)
        group.share_gradients(trainee.optimizer)
        group.share_batchnorm(network)
        group.vary_dropout(network)
        trainee.make_train_function()
        measured = []

        def measure() -> None:
            group.add_up(trainee.metrics_variables)
            measured.append([float(value) for value in trainee.get_metrics_result().values()])

        with Reader(opened, config, (group.rank, group.size)) as reader:
            batches, validation = iter(reader.training()), reader.validation("validation")
            for epoch in range(EPOCHS):
                trainee.reset_metrics()
                for _ in range(STEPS):
                    trainee.train_function(batches)
                assert group.gather(epoch + group.rank) == [epoch + rank for rank in range(group.size)]
                measure()
                trainee.evaluate(validation, verbose=0)
                measure()
                sys.stdout.write("epoch\n")
                sys.stdout.flush()
        np.savez(f"{output}{group.rank}.npz", *network.get_weights(), measured=np.array(measured))


if __name__ == "__main__":
    run([Path(each) for each in sys.argv[1:-1]], sys.argv[-1])
