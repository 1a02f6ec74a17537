print("lunaport")
