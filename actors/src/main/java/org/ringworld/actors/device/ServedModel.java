package org.ringworld.actors.device;

import java.io.IOException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.decode.ServingRank;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.runtime.Device;

/** A saved model on a device, with pages for the texts that it writes; rings come and go. */
final class ServedModel implements AutoCloseable {
    private final String model;
    private final String settings;
    private final int pages;
    private final ModelFiles files;
    private final ParameterStore parameters;
    private final ServingRank rank;

    /** Takes all its memory at once; where that fails, all of it is given back. */
    ServedModel(Device device, Inference on, Order.LoadServing order) throws IOException {
        this.model = order.model();
        this.settings = order.settings();
        this.pages = order.pages();
        this.files = on.files();
        ParameterStore mapped = null;
        try {
            mapped = new MappedParameters(device, files, on.model(), on.dtype());
            this.rank = new ServingRank(device, mapped, on.model(), pages);
            this.parameters = mapped;
        } catch (IOException | RuntimeException | Error e) {
            if (mapped != null) {
                mapped.close();
            }
            files.close();
            throw e;
        }
    }

    /** Whether it is what is asked for. */
    boolean is(Order.LoadServing order) {
        return model.equals(order.model())
                && settings.equals(order.settings())
                && pages == order.pages();
    }

    ServingRank rank() {
        return rank;
    }

    @Override
    public void close() {
        rank.close();
        parameters.close();
        files.close();
    }
}
