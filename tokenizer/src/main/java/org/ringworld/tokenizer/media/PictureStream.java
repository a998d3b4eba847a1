package org.ringworld.tokenizer.media;

import java.util.Iterator;
import java.util.List;

/** Frames as they are read; closed, no more of them are. */
public sealed interface PictureStream extends Iterator<Picture>, AutoCloseable
        permits PictureStream.One, VideoFile.Frames {
    @Override
    void close();

    /** The frame of a picture. */
    record One(Iterator<Picture> frames) implements PictureStream {
        One(Picture picture) {
            this(List.of(picture).iterator());
        }

        @Override
        public boolean hasNext() {
            return frames.hasNext();
        }

        @Override
        public Picture next() {
            return frames.next();
        }

        @Override
        public void close() {}
    }
}
