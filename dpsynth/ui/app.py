"""What `dpsynth serve` has Streamlit run: the pages, from wherever the package is installed."""

from dpsynth.ui.main import main

if __name__ == "__main__":
    main()
